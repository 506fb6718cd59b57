#include "auth.h"

bool auth_equal(const char *a, const char *b, size_t length) {
	unsigned char difference = 0;
	for (size_t i = 0; i < length; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}
