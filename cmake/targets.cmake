# How folders become targets.
#
# A unit test sets the property CORDER_PURE: then the libraries that talk to a server (nats.c, hiredis, libmariadb,
# libmicrohttpd) are not linked, and a core that reaches for a server fails to link. Static archives make this cheap:
# only the objects that a test really uses are pulled in.

# Adds a static library of the C files in a folder, or an interface library while the folder is empty.
#   corder_archive(<target> <folder> [EXCEPT file…] [LINKS target…] [VENDOR target…] [SERVER target…] [GENERATED name…])
function(corder_archive target folder)
	cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "EXCEPT;LINKS;VENDOR;SERVER;GENERATED")
	file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
	foreach(file IN LISTS arg_EXCEPT)
		list(REMOVE_ITEM sources "${CMAKE_SOURCE_DIR}/${folder}/${file}")
	endforeach()
	foreach(name IN LISTS arg_GENERATED)
		list(APPEND sources "${CMAKE_BINARY_DIR}/generated/${name}.c")
	endforeach()

	if(sources)
		add_library(${target} STATIC ${sources})
		set(scope PUBLIC)
	else()
		add_library(${target} INTERFACE)
		set(scope INTERFACE)
	endif()
	target_include_directories(${target} ${scope} "${CMAKE_SOURCE_DIR}")
	if(arg_GENERATED)
		target_include_directories(${target} ${scope} "${CMAKE_BINARY_DIR}/generated")
	endif()
	target_link_libraries(${target} ${scope} ${arg_LINKS} ${arg_VENDOR} Threads::Threads m)
	foreach(server IN LISTS arg_SERVER)
		if(sources)
			get_target_property(headers ${server} INTERFACE_INCLUDE_DIRECTORIES)
			if(headers)
				target_include_directories(${target} SYSTEM PRIVATE ${headers})
			endif()
		endif()
		target_link_libraries(${target} INTERFACE "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:CORDER_PURE>>>:${server}>")
	endforeach()
endfunction()

# shared/<name> -> corder_<name>
function(corder_folder name)
	corder_archive(corder_${name} shared/${name} ${ARGN})
endfunction()

# <folder>/*.c without main.c -> <name>_core; with main.c -> <program>
function(corder_program name program folder)
	corder_archive(${name}_core ${folder} EXCEPT main.c LINKS corder_service corder_state corder_bus corder_kv corder_db
		corder_task corder_base ${ARGN})
	if(EXISTS "${CMAKE_SOURCE_DIR}/${folder}/main.c")
		add_executable(${program} "${folder}/main.c")
		target_link_libraries(${program} PRIVATE ${name}_core $<TARGET_NAME_IF_EXISTS:PkgConfig::JEMALLOC>)
		set_property(GLOBAL APPEND PROPERTY CORDER_PROGRAMS ${program})
	else()
		# A glob without a match is re-run at each build, so the program appears with its main.c.
		file(GLOB unused CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/main.c")
	endif()
endfunction()

function(corder_service name)
	corder_program(${name} corder-${name} services/${name} ${ARGN})
endfunction()

# clients/c twice: as an archive for the programs here, and as libcorder for others, which shows nothing but corder.h.
function(corder_client_library)
	corder_archive(corder_client clients/c LINKS corder_task corder_bus corder_base)
	file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/clients/c/*.c" "${CMAKE_SOURCE_DIR}/shared/base/*.c"
		"${CMAKE_SOURCE_DIR}/shared/bus/*.c" "${CMAKE_SOURCE_DIR}/shared/task/json*.c" "${CMAKE_SOURCE_DIR}/shared/task/hash.c")
	add_library(libcorder SHARED ${sources})
	set_target_properties(libcorder PROPERTIES OUTPUT_NAME corder VERSION "${PROJECT_VERSION}" SOVERSION 0
		C_VISIBILITY_PRESET hidden LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
	target_include_directories(libcorder PRIVATE "${CMAKE_SOURCE_DIR}" PUBLIC "${CMAKE_SOURCE_DIR}/clients/c")
	target_link_libraries(libcorder PRIVATE PkgConfig::NATS PkgConfig::CJSON Threads::Threads m)
endfunction()
