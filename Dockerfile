# syntax=docker/dockerfile:1
# The base is pinned to an exact release; raise both stages together.
ARG NODE=node:22.21.1-bookworm-slim

FROM ${NODE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE}
LABEL org.opencontainers.image.title="resym" \
      org.opencontainers.image.description="A pprof re-symbolization proxy" \
      org.opencontainers.image.licenses="MIT"
# glibc keeps freed memory for every thread: 30 MB less with two arenas.
ENV NODE_ENV=production RESYM_STORE=/var/lib/resym MALLOC_ARENA_MAX=2
WORKDIR /opt/resym
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY proto proto
RUN install -d -o node -g node /var/lib/resym
USER node
VOLUME /var/lib/resym
# Whom to let in must be said: RESYM_AUTH_TOKENS, RESYM_ANONYMOUS=read,symbolize, or a configuration.
EXPOSE 7070
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7070/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=4", "/opt/resym/dist/cli/resym.js"]
CMD ["serve", "--listen", "0.0.0.0:7070"]
