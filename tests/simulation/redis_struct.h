/* The library `struct` that Redis gives to scripts, as far as they use it: > B H I<n> s. */
#ifndef CORDER_SIMULATION_REDIS_STRUCT_H
#define CORDER_SIMULATION_REDIS_STRUCT_H

#include <lua.h>

void redis_open_struct(lua_State *lua);

#endif
