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

# corder_embed_dashboard(<folder> <name>): builds the dashboard in a copy of its folder below the build folder, so that the
# sources stay clean, and embeds what comes out. With CORDER_DASHBOARD off the monitor answers with a plain page instead.
function(corder_embed_dashboard folder name)
	find_program(CORDER_NPM npm)
	set(CORDER_DASHBOARD AUTO CACHE STRING "The dashboard in corder-monitor: ON, OFF, or AUTO (when npm is there)")
	set(wanted "${CORDER_DASHBOARD}")
	if(wanted STREQUAL "AUTO")
		string(COMPARE NOTEQUAL "${CORDER_NPM}" "CORDER_NPM-NOTFOUND" wanted)
	endif()
	set(output "${CMAKE_BINARY_DIR}/generated/${name}")
	set(built "")
	set(dist "")
	if(wanted)
		if(NOT CORDER_NPM)
			message(FATAL_ERROR "CORDER_DASHBOARD=ON needs npm; install nodejs and npm, or set -DCORDER_DASHBOARD=OFF")
		endif()
		file(GLOB_RECURSE files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*")
		list(FILTER files EXCLUDE REGEX "/(node_modules|dist)/")
		set(built "${CMAKE_BINARY_DIR}/web/.built")
		set(dist "${CMAKE_BINARY_DIR}/web/dist")
		add_custom_command(
			OUTPUT "${built}"
			COMMAND "${CMAKE_COMMAND}" "-DFROM=${CMAKE_SOURCE_DIR}/${folder}" "-DTO=${CMAKE_BINARY_DIR}/web" "-DNPM=${CORDER_NPM}"
				-P "${CMAKE_SOURCE_DIR}/cmake/dashboard.cmake"
			DEPENDS ${files} "${CMAKE_SOURCE_DIR}/cmake/dashboard.cmake"
			COMMENT "Building the dashboard"
			VERBATIM)
	endif()
	add_custom_command(
		OUTPUT "${output}.c" "${output}.h"
		COMMAND "${CMAKE_COMMAND}" -DKIND=web "-DFOLDER=${dist}" "-DOUTPUT=${output}" -P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
		DEPENDS ${built} "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
		COMMENT "Embedding the dashboard"
		VERBATIM)
endfunction()
