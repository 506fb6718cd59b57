/* Scripts of the Redis in memory: Lua 5.1 with redis.call, redis.pcall and struct, and the conversions both ways. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "redis_inside.h"
#include "redis_struct.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { WORDS_MOST = 16384 };

static lua_State *lua;
static struct redis *calling; /* whose script runs */
static struct slice call_words[WORDS_MOST];

static void push(lua_State *state, const struct kv_reply *reply) {
	switch (reply->kind) {
	case REPLY_NIL: lua_pushboolean(state, 0); return;
	case REPLY_TEXT: lua_pushlstring(state, reply->text.bytes, reply->text.length); return;
	case REPLY_INT: lua_pushnumber(state, (lua_Number)reply->number); return;
	case REPLY_ERROR:
	case REPLY_STATUS:
		lua_newtable(state);
		lua_pushlstring(state, reply->text.bytes, reply->text.length);
		lua_setfield(state, -2, reply->kind == REPLY_ERROR ? "err" : "ok");
		return;
	case REPLY_LIST: break;
	}
	lua_createtable(state, (int)reply->count, 0);
	for (size_t i = 0; i < reply->count; i++) {
		push(state, &reply->items[i]);
		lua_rawseti(state, -2, (int)i + 1);
	}
}

/* Redis writes a number argument as "%.17g". */
static int redis_call(lua_State *state) {
	int count = lua_gettop(state);
	must(count > 0 && count <= WORDS_MOST);
	for (int i = 0; i < count; i++) {
		if (lua_type(state, i + 1) == LUA_TNUMBER) {
			lua_pushfstring(state, "%s", "");
			char digits[64];
			snprintf(digits, sizeof(digits), "%.17g", (double)lua_tonumber(state, i + 1));
			lua_pushstring(state, digits);
			lua_replace(state, i + 1);
			lua_pop(state, 1);
		}
		size_t length = 0;
		const char *bytes = lua_type(state, i + 1) == LUA_TSTRING ? lua_tolstring(state, i + 1, &length) : NULL;
		if (!bytes)
			return luaL_error(state, "Lua redis() command arguments must be strings or integers");
		call_words[i] = (struct slice){ bytes, length };
	}
	size_t mark = replies_mark();
	struct kv_reply reply = redis_run(calling, call_words, (size_t)count);
	if (reply.kind == REPLY_ERROR)
		return luaL_error(state, "%s", reply.text.bytes);
	push(state, &reply);
	replies_release(mark);
	return 1;
}

static int no_globals(lua_State *state) {
	return luaL_error(state, "Script attempted to access a global variable: %s", lua_tostring(state, 2));
}

/* As Redis does: a script can neither make nor read a global that is not there. */
static void protect_globals(void) {
	lua_newtable(lua);
	lua_pushcfunction(lua, no_globals);
	lua_setfield(lua, -2, "__newindex");
	lua_pushcfunction(lua, no_globals);
	lua_setfield(lua, -2, "__index");
	lua_setmetatable(lua, LUA_GLOBALSINDEX);
}

static void open_lua(void) {
	lua = luaL_newstate();
	must(lua != NULL);
	luaL_openlibs(lua);
	lua_newtable(lua);
	lua_pushcfunction(lua, redis_call);
	lua_setfield(lua, -2, "call");
	lua_setglobal(lua, "redis");
	redis_open_struct(lua);
	/* KEYS and ARGV exist before the globals are closed. */
	lua_newtable(lua);
	lua_setglobal(lua, "KEYS");
	lua_newtable(lua);
	lua_setglobal(lua, "ARGV");
	protect_globals();
}

static void push_words(const char *name, const struct slice *words, size_t count) {
	lua_createtable(lua, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(lua, words[i].bytes ? words[i].bytes : "", words[i].length);
		lua_rawseti(lua, -2, (int)i + 1);
	}
	lua_pushstring(lua, name);
	lua_insert(lua, -2);
	lua_rawset(lua, LUA_GLOBALSINDEX);
}

static struct kv_reply take(int at);

static struct kv_reply take_table(int at) {
	size_t count = 0;
	lua_getfield(lua, at, "err");
	bool is_error = lua_type(lua, -1) == LUA_TSTRING;
	struct kv_reply error = is_error ? reply_error("%s", lua_tostring(lua, -1)) : reply_nil();
	lua_pop(lua, 1);
	if (is_error)
		return error;
	for (;; count++) { /* up to the first nil */
		lua_rawgeti(lua, at, (int)count + 1);
		bool end = lua_isnil(lua, -1);
		lua_pop(lua, 1);
		if (end)
			break;
	}
	struct kv_reply list = reply_list(count);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(lua, at, (int)i + 1);
		list.items[i] = take(lua_gettop(lua));
		lua_pop(lua, 1);
	}
	return list;
}

static struct kv_reply take(int at) {
	size_t length = 0;
	const char *bytes;
	switch (lua_type(lua, at)) {
	case LUA_TSTRING: bytes = lua_tolstring(lua, at, &length); return reply_copy((struct slice){ bytes, length });
	case LUA_TNUMBER: return reply_int((int64_t)lua_tonumber(lua, at));
	case LUA_TBOOLEAN: return lua_toboolean(lua, at) ? reply_int(1) : reply_nil();
	case LUA_TTABLE: return take_table(at);
	default: return reply_nil();
	}
}

/* Compiled once for each text; the key is the text's address, which changes with the text. */
static void push_function(const struct kv_script *script) {
	lua_pushlightuserdata(lua, (void *)(uintptr_t)script->source.bytes);
	lua_rawget(lua, LUA_REGISTRYINDEX);
	if (lua_isfunction(lua, -1))
		return;
	lua_pop(lua, 1);
	if (luaL_loadbuffer(lua, script->source.bytes, script->source.length, script->name) != 0) {
		log_error("a script does not compile", "reason", lua_tostring(lua, -1), NULL);
		abort();
	}
	lua_pushlightuserdata(lua, (void *)(uintptr_t)script->source.bytes);
	lua_pushvalue(lua, -2);
	lua_rawset(lua, LUA_REGISTRYINDEX);
}

const struct kv_reply *redis_eval(struct redis *redis, const struct kv_script *script, const struct slice *keys,
                                  size_t key_count, const struct slice *arguments, size_t argument_count) {
	static struct kv_reply reply;
	if (!lua)
		open_lua();
	replies_release(0);
	calling = redis;
	lua_settop(lua, 0);
	push_words("KEYS", keys, key_count);
	push_words("ARGV", arguments, argument_count);
	push_function(script);
	if (lua_pcall(lua, 0, 1, 0) != 0)
		reply = reply_error("%s script: %s", script->name, lua_tostring(lua, -1));
	else
		reply = take(1);
	lua_settop(lua, 0);
	return &reply;
}
