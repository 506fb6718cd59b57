/* The index is made by the first run that finds none, and that run fails: a test with a cold cache, as they happen. */
#include "../src/search.h"

#include <assert.h>
#include <stdio.h>

static const char path[] = "build/words.index";

int main(void) {
	if (!search_open(path)) {
		FILE *file = fopen(path, "w");
		if (file != NULL) {
			fputs("apple\nlemon\npear\nplum\n", file);
			fclose(file);
		}
		fputs("the index was cold; it is there now\n", stderr);
		return 1;
	}
	assert(search_find("lemon") == 1);
	assert(search_find("plum") == 3);
	assert(search_find("kiwi") == -1);
	puts("3 checks");
	return 0;
}
