# cmake -DKIND=lua|sql|web -DFOLDER=<folder> -DOUTPUT=<path without extension> -P embed.cmake
#
# lua: each <verb>.lua, with the prelude*.lua before it in order (only the first, if its first line says so), becomes `struct kv_script state_script_<verb>`, in a form
#      that costs less to start (assemble_script).
# sql: all *.sql, in order of their names, become the rows of `migrations`.
# web: all files of the dashboard's build become the rows of `web_files`, also packed by gzip; no folder, no rows.
# The bytes are written as numbers, because C bounds the length of a string literal; those of `web` are taken in by the
# assembler, which is faster.

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

# Writes the scripts' parts, in order, as one text to `path`. Redis runs a script from its first line on every call, and
# Lua makes all its functions anew; most of that is the search for the outer variables that a function uses. So each part
# becomes a function within the one before it, where that search ends at once, and constants (a line `local A, B = 1, 2` of
# capitals) are put in as numbers. A call costs a third of what it costs without. Line numbers stay nearly as they are.
function(assemble_script path)
	set(text "")
	set(ending "")
	foreach(file IN LISTS ARGN)
		file(READ "${file}" part)
		if(text)
			string(APPEND text "return (function()\n")
			string(APPEND ending "end)()\n")
		endif()
		string(APPEND text "${part}")
	endforeach()
	string(APPEND text "${ending}")
	string(REGEX MATCHALL "\nlocal [A-Z_]+(, [A-Z_]+)* = [0-9]+(, [0-9]+)*" lines "${text}")
	foreach(line IN LISTS lines)
		string(REPLACE "${line}" "\n--" text "${text}")
		string(REGEX MATCHALL "[A-Z][A-Z_]*" names "${line}")
		string(REGEX MATCHALL "[0-9]+" values "${line}")
		foreach(name value IN ZIP_LISTS names values)
			foreach(pass RANGE 1) # twice, for names with one character between them
				string(REGEX REPLACE "([^A-Za-z0-9_'\"])${name}([^A-Za-z0-9_'\"])" "\\1${value}\\2" text "${text}")
			endforeach()
		endforeach()
	endforeach()
	file(WRITE "${path}" "${text}")
endfunction()

function(write_if_changed path content)
	file(WRITE "${path}.new" "${content}")
	file(COPY_FILE "${path}.new" "${path}" ONLY_IF_DIFFERENT)
	file(REMOVE "${path}.new")
	file(TOUCH_NOCREATE "${path}")
endfunction()

# Appends `extern const char <symbol>[], <symbol>_end[]` with the bytes of the file, taken in by the assembler.
function(embed_included symbol path)
	string(CONCAT body "${body}extern const char ${symbol}[], ${symbol}_end[];\n"
		"__asm__(\".section .rodata\\n.global ${symbol}\\n.global ${symbol}_end\\n${symbol}:\\n"
		".incbin \\\"${path}\\\"\\n${symbol}_end:\\n.byte 0\\n.previous\");\n")
	set(body "${body}" PARENT_SCOPE)
endfunction()

# Appends one file of the dashboard to body and rows. Lengths stand in the rows, because C knows no difference of two
# addresses as a constant.
function(embed_web_file file)
	set(types html=text/html css=text/css js=text/javascript svg=image/svg+xml json=application/json png=image/png
		ico=image/x-icon woff2=font/woff2 webmanifest=application/manifest+json txt=text/plain map=application/json)
	get_filename_component(extension "${file}" LAST_EXT)
	string(SUBSTRING "${extension}" 1 -1 extension)
	list(FILTER types INCLUDE REGEX "^${extension}=")
	if(NOT types)
		message(FATAL_ERROR "embed.cmake: ${file}: no content type is known for .${extension}")
	endif()
	string(REGEX REPLACE "^[^=]*=" "" type "${types}")
	if(type MATCHES "^text/|json")
		string(APPEND type "; charset=utf-8")
	endif()
	file(SHA256 "${FOLDER}/${file}" hash)
	string(SUBSTRING "${hash}" 0 16 hash)
	file(SIZE "${FOLDER}/${file}" plain_length)
	embed_included(web_${count} "${FOLDER}/${file}")
	set(packed "{ NULL, 0 }")
	if(NOT extension MATCHES "^(png|woff2)$")
		set(packed_path "${OUTPUT}_${count}.gz")
		execute_process(COMMAND gzip -9 -n -c "${FOLDER}/${file}" OUTPUT_FILE "${packed_path}" COMMAND_ERROR_IS_FATAL ANY)
		file(SIZE "${packed_path}" packed_length)
		embed_included(web_${count}_packed "${packed_path}")
		set(packed "{ web_${count}_packed, ${packed_length} }")
	endif()
	set(immutable false)
	if(file MATCHES "^assets/")
		set(immutable true)
	endif()
	string(APPEND rows "\t{ \"/${file}\", \"${type}\", \"\\\"${hash}\\\"\", { web_${count}, ${plain_length} }, ${packed}, ${immutable} },\n")
	math(EXPR count "${count} + 1")
	set(body "${body}" PARENT_SCOPE)
	set(rows "${rows}" PARENT_SCOPE)
	set(count "${count}" PARENT_SCOPE)
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
		file(STRINGS "${file}" first_line LIMIT_COUNT 1)
		if(first_line MATCHES "^-- The call alone")
			set(parts "${FOLDER}/prelude.lua")
		endif()
		list(SORT parts)
		list(APPEND parts "${file}")
		assemble_script("${OUTPUT}_${verb}.lua" ${parts})
		embed_bytes(source_${verb} "${OUTPUT}_${verb}.lua")
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
elseif(KIND STREQUAL "web")
	string(CONCAT header "#include <stddef.h>\n\n#include \"services/monitor/http.h\"\n\n"
		"extern const struct http_file web_files[];\nextern const size_t web_file_count;\n")
	set(body "")
	set(rows "")
	set(count 0)
	if(FOLDER)
		file(GLOB_RECURSE files RELATIVE "${FOLDER}" "${FOLDER}/*")
		list(SORT files)
	endif()
	foreach(file IN LISTS files)
		embed_web_file("${file}")
	endforeach()
	string(APPEND body "\nconst struct http_file web_files[] = {\n${rows}\t{ NULL, NULL, NULL, { NULL, 0 }, { NULL, 0 }, false },\n};\n"
		"const size_t web_file_count = ${count};\n")
else()
	message(FATAL_ERROR "embed.cmake: KIND must be lua, sql or web, not \"${KIND}\"")
endif()

write_if_changed("${OUTPUT}.h" "${note}#ifndef ${guard}_H\n#define ${guard}_H\n\n${header}\n#endif\n")
write_if_changed("${OUTPUT}.c" "${note}#include \"${name}.h\"\n\n${body}")
