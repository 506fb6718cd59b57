/* Functions of the Redis in memory: Lua 5.1 with redis.call, redis.register_function and struct, and the conversions both
 * ways. As in Redis, a library is run once, when it is loaded, and what it keeps lasts from call to call. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_inside.h"
#include "redis_struct.h"
#include "shared/base/id.h"
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

/* By name and function, or by a table with function_name and callback. Kept in the registry under its name. */
static int register_function(lua_State *state) {
	if (lua_istable(state, 1)) {
		lua_getfield(state, 1, "function_name");
		lua_getfield(state, 1, "callback");
		lua_remove(state, 1);
	}
	luaL_checkstring(state, 1);
	luaL_checktype(state, 2, LUA_TFUNCTION);
	lua_rawset(state, LUA_REGISTRYINDEX);
	return 0;
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

/* Memory for Lua: blocks by size, used again at once, and in no list. It lives as long as the program. */
enum { STEP_BYTES = 16, CLASSES = 64, CHUNK_BYTES = 1 << 18, PAUSE_PERCENT = 300 };

struct spare {
	struct spare *next;
};
static struct spare *spares[CLASSES];

static size_t class_of(size_t bytes) {
	return (bytes - 1) / STEP_BYTES;
}

static void *new_block(size_t bytes) {
	static char *chunk;
	static size_t left;
	size_t class = class_of(bytes), whole = (class + 1) * STEP_BYTES;
	if (class >= CLASSES)
		return malloc(bytes);
	struct spare *block = spares[class];
	if (block) {
		spares[class] = block->next;
		return block;
	}
	if (left < whole) {
		chunk = memory_new(CHUNK_BYTES);
		left = CHUNK_BYTES;
	}
	left -= whole;
	return chunk + left;
}

static void give_back(void *old, size_t bytes) {
	struct spare *block = old;
	if (class_of(bytes) >= CLASSES) {
		free(old);
		return;
	}
	block->next = spares[class_of(bytes)];
	spares[class_of(bytes)] = block;
}

static void *lua_memory(void *context, void *old, size_t old_bytes, size_t bytes) {
	(void)context;
	if (bytes == 0) {
		if (old)
			give_back(old, old_bytes);
		return NULL;
	}
	if (old && class_of(old_bytes) < CLASSES && class_of(old_bytes) == class_of(bytes))
		return old;
	void *moved = new_block(bytes);
	if (old && moved) {
		memcpy(moved, old, old_bytes < bytes ? old_bytes : bytes);
		give_back(old, old_bytes);
	}
	return moved;
}

static void open_lua(void) {
	lua = lua_newstate(lua_memory, NULL);
	must(lua != NULL);
	/* Not too rarely: what a call makes should lie in the cache. */
	lua_gc(lua, LUA_GCSETPAUSE, PAUSE_PERCENT);
	luaL_openlibs(lua);
	lua_newtable(lua);
	lua_pushcfunction(lua, redis_call);
	lua_setfield(lua, -2, "call");
	lua_pushcfunction(lua, register_function);
	lua_setfield(lua, -2, "register_function");
	lua_setglobal(lua, "redis");
	redis_open_struct(lua);
	protect_globals();
}

static void push_words(const struct slice *words, size_t count) {
	lua_createtable(lua, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(lua, words[i].bytes ? words[i].bytes : "", words[i].length);
		lua_rawseti(lua, -2, (int)i + 1);
	}
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

static void name_library(struct kv_library *library) {
	if (library->name[0] == '\0')
		snprintf(library->name, sizeof(library->name), "corder_%016llx", (unsigned long long)id_hash(library->source));
}

static void load_library(const struct kv_library *library) {
	struct text source = { 0 };
	text_printf(&source, "local LIBRARY = '%s'\n", library->name);
	text_add_slice(&source, library->source);
	if (luaL_loadbuffer(lua, source.bytes, source.length, library->name) != 0 || lua_pcall(lua, 0, 0, 0) != 0) {
		log_error("a library does not load", "reason", lua_tostring(lua, -1), NULL);
		abort();
	}
	text_release(&source);
}

static void push_function(const struct kv_script *script) {
	char name[64];
	name_library(script->library);
	snprintf(name, sizeof(name), "%s_%s", script->library->name, script->name);
	lua_pushstring(lua, name);
	lua_rawget(lua, LUA_REGISTRYINDEX);
	if (lua_isfunction(lua, -1))
		return;
	lua_pop(lua, 1);
	load_library(script->library);
	lua_pushstring(lua, name);
	lua_rawget(lua, LUA_REGISTRYINDEX);
	must(lua_isfunction(lua, -1));
}

const struct kv_reply *redis_eval(struct redis *redis, const struct kv_script *script, const struct slice *keys,
                                  size_t key_count, const struct slice *arguments, size_t argument_count) {
	static struct kv_reply reply;
	if (!lua)
		open_lua();
	replies_release(0);
	calling = redis;
	lua_settop(lua, 0);
	push_function(script);
	push_words(keys, key_count);
	push_words(arguments, argument_count);
	if (lua_pcall(lua, 2, 1, 0) != 0)
		reply = reply_error("%s script: %s", script->name, lua_tostring(lua, -1));
	else
		reply = take(1);
	lua_settop(lua, 0);
	return &reply;
}
