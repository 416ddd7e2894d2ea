#!/usr/bin/env bash
# install-toolchains.sh DIR VERSION...: puts Go toolchains at DIR/goVERSION/bin/go, unpacked from Debian's packages.
#
# Debian keeps one or two Go versions a release and more in its backports, so five suites hold all seven versions the
# tests want, in the same place for years. Nothing is installed: apt runs over a configuration and lists of its own below
# DIR, and the packages are only unpacked. What is already there and works is left alone.
#
# Needs apt-get, dpkg-deb and Debian's keyring (package debian-archive-keyring). Exit 1 when a version could not be had;
# the others are still unpacked.
set -euo pipefail

suites='bullseye bookworm bookworm-backports trixie trixie-backports'
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ $# -lt 2 ]; then
  echo "usage: $0 DIR VERSION..." >&2
  exit 2
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

# The mirror this machine uses for Debian itself.
mirror_of_machine() {
  {
    sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb[[:space:]]\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | grep '/debian/*$' | head -n 1 || true
}

# A config file of the user may hold flags that old versions do not know.
works() { GOENV=off GOFLAGS= GOTOOLCHAIN=local "$dir/go$1/bin/go" version 2>/dev/null; }

missing=()
for version in "$@"; do works "$version" >/dev/null || missing+=("$version"); done
[ ${#missing[@]} -gt 0 ] || exit 0

mirror=$(mirror_of_machine)
if [ -z "$mirror" ]; then
  echo "install-toolchains: apt is set up with no Debian mirror" >&2
  exit 1
fi
state=$dir/.apt
mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/etc"
for suite in $suites; do echo "deb [signed-by=$keyring] $mirror $suite main"; done >"$state/etc/sources.list"
cat >"$state/etc/apt.conf" <<CONF
Dir::Etc::sourcelist "$state/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$state/lists";
Dir::Cache "$state";
Acquire::Retries "3";
Acquire::Languages "none";
APT::Sandbox::User "";
CONF
export APT_CONFIG=$state/etc/apt.conf

# A suite that has moved to the archive must not stop the others: what counts is whether the packages can be had.
apt-get -qq update || echo "install-toolchains: some package lists could not be read" >&2

unpack() {
  local version=$1 work
  work=$(mktemp -d "$dir/.unpack-XXXXXX")
  if (cd "$work" && apt-get -qq download "golang-$version-go" "golang-$version-src" && for deb in *.deb; do dpkg-deb -x "$deb" . && rm "$deb"; done); then
    rm -rf "$dir/.tree-$version"
    mv "$work" "$dir/.tree-$version"
    # lib/ links into share/ by relative paths, so the tree stays as the packages lay it out.
    ln -sfn ".tree-$version/usr/lib/go-$version" "$dir/go$version"
  fi
  rm -rf "$work"
  works "$version"
}

failed=0
for version in "${missing[@]}"; do
  if ! unpack "$version"; then
    echo "install-toolchains: go $version could not be had from $mirror" >&2
    failed=1
  fi
done
rm -rf "$state/lists" "$state/archives"
exit $failed
