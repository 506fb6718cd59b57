/* Amounts of money as whole cents: never as floating point. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>

/* Reads "12", "12.3" or "12.34" as cents; false when it is no amount. */
bool ledger_parse(const char *text, long *cents);
/* The share of each of `people` in an amount; what cannot be divided goes to the first ones, a cent each. */
long ledger_share(long cents, int people, int person);

#endif
