#include "../src/mailer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int main(void) {
	char letter[64];
	mailer_fill(letter, sizeof(letter), "Dear %!", "Ada");
	assert(strcmp(letter, "Dear Ada!") == 0);
	puts("1 check");
	return 0;
}
