/* The version of everything in this repository; the build and the packages read it from here. */
#ifndef CORDER_BASE_VERSION_H
#define CORDER_BASE_VERSION_H

#define CORDER_VERSION "0.1.0"

#endif
