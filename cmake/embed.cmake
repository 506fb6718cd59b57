# cmake -DKIND=lua|sql -DFOLDER=<folder> -DOUTPUT=<path without extension> -P embed.cmake
#
# lua: each <verb>.lua, with the prelude*.lua before it in order, becomes `struct kv_script state_script_<verb>`.
# sql: all *.sql, in order of their names, become the rows of `migrations`.
# The bytes are written as numbers, because C bounds the length of a string literal.

get_filename_component(name "${OUTPUT}" NAME)
string(TOUPPER "${name}" guard)
set(note "/* Made by cmake/embed.cmake; changes belong into the files it was made from. */\n")

# Appends `static const unsigned char <symbol>[]` with the bytes of the files, one after the other, to `body`.
function(embed_bytes symbol)
	set(hex "")
	foreach(file IN LISTS ARGN)
		file(READ "${file}" bytes HEX)
		string(APPEND hex "${bytes}")
	endforeach()
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
	set(body "${body}static const unsigned char ${symbol}[] = {\n${bytes}0 };\n" PARENT_SCOPE)
endfunction()

function(write_if_changed path content)
	file(WRITE "${path}.new" "${content}")
	file(COPY_FILE "${path}.new" "${path}" ONLY_IF_DIFFERENT)
	file(REMOVE "${path}.new")
	file(TOUCH_NOCREATE "${path}")
endfunction()

if(KIND STREQUAL "lua")
	set(header "#include \"shared/kv/kv.h\"\n\n")
	set(body "")
	file(GLOB files "${FOLDER}/*.lua")
	list(SORT files)
	foreach(file IN LISTS files)
		get_filename_component(verb "${file}" NAME_WE)
		if(verb MATCHES "^prelude")
			continue()
		endif()
		file(GLOB parts "${FOLDER}/prelude*.lua")
		list(SORT parts)
		list(APPEND parts "${file}")
		embed_bytes(source_${verb} ${parts})
		string(APPEND header "extern struct kv_script state_script_${verb};\n")
		string(APPEND body "struct kv_script state_script_${verb} = { .name = \"${verb}\", .source = { (const char *)source_${verb},"
			" sizeof(source_${verb}) - 1 }, .sha1 = \"\" };\n\n")
	endforeach()
elseif(KIND STREQUAL "sql")
	string(CONCAT header "#include <stddef.h>\n\nstruct migration {\n\tconst char *name; /* the file's name without .sql */\n"
		"\tconst char *sql;  /* NUL-terminated */\n\tsize_t length;\n};\n\n"
		"extern const struct migration migrations[]; /* in order */\nextern const size_t migration_count;\n")
	set(body "")
	set(rows "")
	set(count 0)
	file(GLOB files "${FOLDER}/*.sql")
	list(SORT files)
	foreach(file IN LISTS files)
		get_filename_component(migration "${file}" NAME_WE)
		embed_bytes(sql_${count} "${file}")
		string(APPEND rows "\t{ \"${migration}\", (const char *)sql_${count}, sizeof(sql_${count}) - 1 },\n")
		math(EXPR count "${count} + 1")
	endforeach()
	string(APPEND body "\nconst struct migration migrations[] = {\n${rows}\t{ NULL, NULL, 0 },\n};\n"
		"const size_t migration_count = ${count};\n")
else()
	message(FATAL_ERROR "embed.cmake: KIND must be lua or sql, not \"${KIND}\"")
endif()

write_if_changed("${OUTPUT}.h" "${note}#ifndef ${guard}_H\n#define ${guard}_H\n\n${header}\n#endif\n")
write_if_changed("${OUTPUT}.c" "${note}#include \"${name}.h\"\n\n${body}")
