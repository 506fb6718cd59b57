/* The names of all settings that any program of Corder reads, so that one environment can serve all of them. */
#ifndef CORDER_SERVICE_KNOWN_SETTINGS_H
#define CORDER_SERVICE_KNOWN_SETTINGS_H

#include <stddef.h>

extern const char *const known_settings[];
extern const size_t known_setting_count;

#endif
