package main

/*
#cgo CFLAGS: -g -O2
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static inline uint32_t mix(uint32_t h, uint32_t pixel) { h ^= pixel; h *= 16777619u; return h ^ (h >> 15); }

__attribute__((noinline)) static uint32_t hash_row(const uint32_t *row, int width) {
	uint32_t h = 2166136261u;
	for (int x = 0; x < width; x++) h = mix(h, row[x]);
	return h;
}

__attribute__((noinline)) static uint32_t thumbnail(uint32_t *image, int width, int height) {
	uint32_t h = 0;
	for (int y = 0; y < height; y++) { h ^= hash_row(image + y * width, width); image[y * width] = h; }
	return h;
}

static void *render(void *image) {
	for (volatile uint32_t h = 0;;) h ^= thumbnail(image, 256, 256);
	return 0;
}

static void start_renderer(void) {
	pthread_t thread;
	pthread_create(&thread, 0, render, calloc(256 * 256, sizeof(uint32_t)));
}
*/
import "C"

func startThumbnails() { C.start_renderer() }
