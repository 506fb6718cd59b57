/* Reading the clocks, and RFC 3339 both ways. Days are counted by Howard Hinnant's civil-calendar algorithms
 * (https://howardhinnant.github.io/date_algorithms.html), so that neither locale nor time zone files matter. */
#include "clock.h"

#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void) {
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t days_from_civil(int64_t year, int month, int day) {
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
	*month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

static void put_digits(char *out, int64_t value, int count) {
	for (int i = count - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
}

#define DAY_US INT64_C(86400000000)
/* The years 0000 to 9999, which are all that RFC 3339 can write; times outside are shown as the nearest of them. */
#define FIRST_US INT64_C(-62167219200000000)
#define LAST_US INT64_C(253402300799999999)

void clock_format(int64_t at_us, char out[CLOCK_TEXT_BYTES]) {
	static const char form[] = "0000-00-00T00:00:00.000000Z";
	at_us = at_us < FIRST_US ? FIRST_US : at_us > LAST_US ? LAST_US : at_us;
	int64_t days = at_us / DAY_US - (at_us % DAY_US < 0);
	int64_t rest = at_us - days * DAY_US;
	int64_t year;
	int month, day;
	civil_from_days(days, &year, &month, &day);
	memcpy(out, form, sizeof(form));
	put_digits(out, year, 4);
	put_digits(out + 5, month, 2);
	put_digits(out + 8, day, 2);
	put_digits(out + 11, rest / INT64_C(3600000000), 2);
	put_digits(out + 14, rest / 60000000 % 60, 2);
	put_digits(out + 17, rest / 1000000 % 60, 2);
	put_digits(out + 20, rest % 1000000, 6);
}

struct reader {
	const char *at, *end;
	bool good;
};

static int read_digits(struct reader *reader, int count) {
	int value = 0;
	for (int i = 0; i < count; i++) {
		if (reader->at == reader->end || *reader->at < '0' || *reader->at > '9') {
			reader->good = false;
			return 0;
		}
		value = value * 10 + (*reader->at++ - '0');
	}
	return value;
}

static bool read_one_of(struct reader *reader, char a, char b) {
	if (reader->at == reader->end || (*reader->at != a && *reader->at != b))
		return false;
	reader->at++;
	return true;
}

static void expect(struct reader *reader, char a, char b) {
	if (!read_one_of(reader, a, b))
		reader->good = false;
}

/* ".1" to ".123456789", as microseconds; what is finer is cut off. */
static int64_t read_fraction(struct reader *reader) {
	if (!read_one_of(reader, '.', '.'))
		return 0;
	int64_t value = 0;
	int digits = 0;
	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && digits < 10) {
		if (digits < 6)
			value = value * 10 + (*reader->at - '0');
		reader->at++;
		digits++;
	}
	if (digits == 0 || digits > 9)
		reader->good = false;
	for (; digits < 6; digits++)
		value *= 10;
	return value;
}

static int64_t read_offset_us(struct reader *reader) {
	if (read_one_of(reader, 'Z', 'z'))
		return 0;
	bool west = reader->at < reader->end && *reader->at == '-';
	expect(reader, '+', '-');
	int hours = read_digits(reader, 2);
	expect(reader, ':', ':');
	int minutes = read_digits(reader, 2);
	if (hours > 23 || minutes > 59)
		reader->good = false;
	int64_t offset_us = (hours * 60 + minutes) * INT64_C(60000000);
	return west ? -offset_us : offset_us;
}

static int days_in_month(int year, int month) {
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 && leap ? 29 : days[month - 1];
}

bool clock_parse(const char *text, size_t length, int64_t *at_us) {
	struct reader reader = { text, text + length, true };
	int year = read_digits(&reader, 4);
	expect(&reader, '-', '-');
	int month = read_digits(&reader, 2);
	expect(&reader, '-', '-');
	int day = read_digits(&reader, 2);
	expect(&reader, 'T', 't');
	int hour = read_digits(&reader, 2);
	expect(&reader, ':', ':');
	int minute = read_digits(&reader, 2);
	expect(&reader, ':', ':');
	int second = read_digits(&reader, 2);
	int64_t fraction_us = read_fraction(&reader);
	int64_t offset_us = read_offset_us(&reader);
	if (!reader.good || reader.at != reader.end || month < 1 || month > 12 || day < 1 ||
	    day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
		return false;
	int64_t seconds = hour * 3600 + minute * 60 + second; /* a leap second is the first one of the next minute */
	*at_us = days_from_civil(year, month, day) * DAY_US + seconds * 1000000 + fraction_us - offset_us;
	return true;
}
