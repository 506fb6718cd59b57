#include "../src/auth.h"

#include <assert.h>
#include <stdio.h>

int main(void) {
	assert(auth_equal("secret", "secret", 6));
	assert(!auth_equal("secret", "secres", 6));
	assert(auth_equal("", "", 0));
	puts("3 checks");
	return 0;
}
