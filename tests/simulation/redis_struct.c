/* struct.pack and struct.unpack: big endian, no alignment. */
#include "redis_struct.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the number that stands at *format, which moves behind it; 0: a zero-terminated text; -n: a text of n bytes. */
static int next_size(lua_State *lua, const char **format) {
	char letter = *(*format)++;
	switch (letter) {
	case 'B': return 1;
	case 'H': return 2;
	case 's': return 0;
	case 'c':
	case 'I': {
		char *end;
		long size = strtol(*format, &end, 10);
		if (end == *format && letter == 'I')
			return 4;
		*format = end;
		if (size >= 1 && size <= 8)
			return letter == 'c' ? -(int)size : (int)size;
		break;
	}
	default: break;
	}
	return luaL_error(lua, "struct: the format option '%c' is not known here", letter);
}

static const char *skip_order(const char *format) {
	while (*format == '>' || *format == ' ')
		format++;
	return format;
}

static int pack(lua_State *lua) {
	const char *format = luaL_checkstring(lua, 1);
	luaL_Buffer out;
	int argument = 2;
	luaL_buffinit(lua, &out);
	for (format = skip_order(format); *format; format = skip_order(format)) {
		int size = next_size(lua, &format);
		if (size <= 0) {
			size_t length;
			const char *bytes = luaL_checklstring(lua, argument++, &length);
			if (length < (size_t)-size)
				return luaL_error(lua, "struct: the text is too short");
			luaL_addlstring(&out, bytes, size == 0 ? length : (size_t)-size);
			if (size == 0)
				luaL_addchar(&out, '\0');
			continue;
		}
		lua_Number number = luaL_checknumber(lua, argument++);
		uint64_t value = number < 0 ? (uint64_t)(int64_t)number : (uint64_t)number;
		for (int i = size - 1; i >= 0; i--)
			luaL_addchar(&out, (char)(unsigned char)(value >> (8 * i)));
	}
	luaL_pushresult(&out);
	return 1;
}

static int unpack(lua_State *lua) {
	const char *format = luaL_checkstring(lua, 1);
	size_t length, at = (size_t)luaL_optinteger(lua, 3, 1) - 1;
	const char *bytes = luaL_checklstring(lua, 2, &length);
	int count = 0;
	for (format = skip_order(format); *format; format = skip_order(format)) {
		int size = next_size(lua, &format);
		const char *end = size == 0 && at < length ? memchr(bytes + at, 0, length - at) : NULL;
		if (size == 0 ? !end : at + (size_t)abs(size) > length)
			return luaL_error(lua, "struct: the data is too short");
		luaL_checkstack(lua, 2, "too many results");
		if (size == 0) {
			lua_pushlstring(lua, bytes + at, (size_t)(end - bytes) - at);
			at = (size_t)(end - bytes) + 1;
		} else if (size < 0) {
			lua_pushlstring(lua, bytes + at, (size_t)-size);
			at += (size_t)-size;
		} else {
			uint64_t value = 0;
			for (int i = 0; i < size; i++)
				value = value << 8 | (unsigned char)bytes[at++];
			lua_pushnumber(lua, (lua_Number)value);
		}
		count++;
	}
	lua_pushinteger(lua, (lua_Integer)at + 1);
	return count + 1;
}

void redis_open_struct(lua_State *lua) {
	lua_newtable(lua);
	lua_pushcfunction(lua, pack);
	lua_setfield(lua, -2, "pack");
	lua_pushcfunction(lua, unpack);
	lua_setfield(lua, -2, "unpack");
	lua_setglobal(lua, "struct");
}
