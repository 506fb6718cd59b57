# Files that become C constants, by cmake/embed.cmake, whenever one of them changes.

# corder_embed(<kind> <folder> <name> <extension>): writes generated/<name>.c and generated/<name>.h.
function(corder_embed kind folder name extension)
	set(output "${CMAKE_BINARY_DIR}/generated/${name}")
	file(GLOB files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.${extension}")
	add_custom_command(
		OUTPUT "${output}.c" "${output}.h"
		COMMAND "${CMAKE_COMMAND}" -DKIND=${kind} "-DFOLDER=${CMAKE_SOURCE_DIR}/${folder}" "-DOUTPUT=${output}"
			-P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
		DEPENDS ${files} "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
		COMMENT "Embedding ${folder}"
		VERBATIM)
endfunction()

function(corder_embed_lua folder name)
	corder_embed(lua ${folder} ${name} lua)
endfunction()

function(corder_embed_sql folder name)
	corder_embed(sql ${folder} ${name} sql)
endfunction()
