#include "../src/ledger.h"

#include <assert.h>
#include <stdio.h>

int main(void) {
	long cents;
	assert(ledger_parse("12.34", &cents) && cents == 1234);
	assert(ledger_parse("12.3", &cents) && cents == 1230);
	assert(!ledger_parse("twelve", &cents) && !ledger_parse("1.234", &cents));
	long sum = 0;
	for (int person = 0; person < 7; person++)
		sum += ledger_share(1000, 7, person);
	assert(sum == 1000);
	puts("5 checks");
	return 0;
}
