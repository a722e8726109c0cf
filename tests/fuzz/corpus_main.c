/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() of a fuzz target as a plain program: runs LLVMFuzzerTestOneInput() on each file named, so that
 * `make check` replays the corpora with no fuzzer. An input lies in a heap block of its exact size, so that a
 * sanitizer sees an overread.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long len = -1;
	int err = -EIO;

	if (!file)
		return -errno;
	if (fseek(file, 0, SEEK_END) == 0)
		len = ftell(file);
	rewind(file);
	if (len >= 0)
		data = malloc(len ? (size_t)len : 1);
	if (data && fread(data, 1, (size_t)len, file) == (size_t)len) {
		LLVMFuzzerTestOneInput(data, (size_t)len);
		err = 0;
	}
	free(data);
	fclose(file);
	return err;
}

int main(int argc, char **argv)
{
	int i, err;

	for (i = 1; i < argc; i++) {
		err = run_file(argv[i]);
		if (err) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	return 0;
}
