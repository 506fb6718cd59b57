# cmake -DFROM=<sources> -DTO=<folder> -DNPM=<npm> -P dashboard.cmake
#
# Brings a copy of the dashboard's sources up to date, installs its packages when the lock file has changed, and builds it
# into <folder>/dist.

file(GLOB old RELATIVE "${TO}" "${TO}/*")
list(REMOVE_ITEM old node_modules .installed)
foreach(entry IN LISTS old)
	file(REMOVE_RECURSE "${TO}/${entry}")
endforeach()
file(COPY "${FROM}/" DESTINATION "${TO}" PATTERN node_modules EXCLUDE PATTERN dist EXCLUDE)

function(run)
	execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${TO}" RESULT_VARIABLE code OUTPUT_VARIABLE said ERROR_VARIABLE said)
	if(NOT code EQUAL 0)
		message(FATAL_ERROR "${said}\nThe dashboard cannot be built (${ARGN}); -DCORDER_DASHBOARD=OFF builds without it.")
	endif()
endfunction()

file(SHA256 "${FROM}/package-lock.json" lock)
set(installed "")
if(EXISTS "${TO}/.installed")
	file(READ "${TO}/.installed" installed)
endif()
if(NOT installed STREQUAL lock)
	run("${NPM}" ci --no-audit --no-fund)
	file(WRITE "${TO}/.installed" "${lock}")
endif()
run("${NPM}" run build)
file(TOUCH "${TO}/.built")
