#include "ledger.h"

#include <ctype.h>
#include <stdlib.h>

bool ledger_parse(const char *text, long *cents) {
	char *end;
	if (!isdigit((unsigned char)*text))
		return false;
	long whole = strtol(text, &end, 10);
	long part = 0;
	int digits = 0;
	if (*end == '.')
		for (end++; isdigit((unsigned char)*end) && digits < 2; end++, digits++)
			part = part * 10 + (*end - '0');
	*cents = whole * 100 + (digits == 1 ? part * 10 : part);
	return *end == 0;
}

long ledger_share(long cents, int people, int person) {
	return cents / people + (person < cents % people ? 1 : 0);
}
