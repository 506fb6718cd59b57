# cmake -DCORDER=<program> -DFRAME=<corder.1.in> -DOUTPUT=<corder.1> -DVERSION=<version> -P manual.cmake
#
# Puts what `corder help` and `corder COMMAND --help` print into the frame of the manual page, as they print it.

function(run_corder result)
	execute_process(COMMAND "${CMAKE_COMMAND}" -E env NO_COLOR=1 TERM=dumb "${CORDER}" ${ARGN}
		OUTPUT_VARIABLE output RESULT_VARIABLE code)
	if(NOT code EQUAL 0)
		message(FATAL_ERROR "${CORDER} ${ARGN} ended with ${code}")
	endif()
	set(${result} "${output}" PARENT_SCOPE)
endfunction()

# Text as roff shows it line by line.
function(to_roff result text)
	string(REPLACE "\\" "\\e" text "${text}")
	string(REPLACE "-" "\\-" text "${text}")
	string(REGEX REPLACE "(^|\n)([.'])" "\\1\\\\&\\2" text "${text}")
	set(${result} "${text}" PARENT_SCOPE)
endfunction()

run_corder(help help)
string(REPLACE ";" "," help "${help}") # only the names matter here, and ; parts the items of a list
string(REGEX MATCHALL "\n  [a-z]+ +[^\n]*" lines "${help}")
set(COMMANDS "")
foreach(line IN LISTS lines)
	string(REGEX REPLACE "\n  ([a-z]+) .*" "\\1" command "${line}")
	if(command STREQUAL "corder")
		continue() # an example
	endif()
	run_corder(text ${command} --help)
	string(REGEX REPLACE "\nOptions of every command.*(\nExamples\n)" "\\1" text "${text}")
	to_roff(text "${text}")
	string(APPEND COMMANDS ".SS ${command}\n.nf\n${text}.fi\n")
endforeach()
run_corder(text list --help)
if(text MATCHES "\nOptions of every command\n(.*)")
	string(REGEX REPLACE "\nExamples\n.*" "" text "${CMAKE_MATCH_1}")
	to_roff(text "${text}")
	string(APPEND COMMANDS ".SS Options of every command\n.nf\n${text}.fi\n")
endif()
configure_file("${FRAME}" "${OUTPUT}" @ONLY)
