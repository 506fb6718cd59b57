# What `cmake --install` puts where: the programs, the manual page, completions, service units.
get_property(programs GLOBAL PROPERTY CORDER_PROGRAMS)
add_custom_target(programs DEPENDS ${programs} COMMENT "The programs, without the tests")
if(programs)
	install(TARGETS ${programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# install_if_there(<file> <destination> [<name>])
function(install_if_there file destination)
	if(EXISTS "${CMAKE_SOURCE_DIR}/${file}")
		if(ARGC GREATER 2)
			install(FILES "${file}" DESTINATION "${destination}" RENAME "${ARGV2}")
		else()
			install(FILES "${file}" DESTINATION "${destination}")
		endif()
	endif()
endfunction()

if(TARGET corder AND NOT CORDER_SANITIZE)
	add_custom_command(
		OUTPUT "${CMAKE_BINARY_DIR}/corder.1"
		COMMAND "${CMAKE_COMMAND}" "-DCORDER=$<TARGET_FILE:corder>" "-DFRAME=${CMAKE_SOURCE_DIR}/clients/cli/corder.1.in"
			"-DOUTPUT=${CMAKE_BINARY_DIR}/corder.1" -DVERSION=${PROJECT_VERSION} -P "${CMAKE_SOURCE_DIR}/cmake/manual.cmake"
		DEPENDS corder clients/cli/corder.1.in cmake/manual.cmake
		COMMENT "Writing the manual page"
		VERBATIM)
	add_custom_target(manual ALL DEPENDS "${CMAKE_BINARY_DIR}/corder.1")
	install(FILES "${CMAKE_BINARY_DIR}/corder.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
endif()
install_if_there(clients/cli/completion.bash "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" corder)
install_if_there(clients/cli/completion.zsh "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" _corder)
install_if_there(LICENSE "${CMAKE_INSTALL_DOCDIR}")
install_if_there(README.md "${CMAKE_INSTALL_DOCDIR}")

foreach(service ingest scheduler dispatcher persister monitor)
	configure_file(deploy/systemd/corder-service@.service.in "systemd/corder-${service}@.service" @ONLY)
	install(FILES "${CMAKE_BINARY_DIR}/systemd/corder-${service}@.service" DESTINATION lib/systemd/system)
endforeach()
install_if_there(deploy/systemd/corder.target lib/systemd/system)

# libcorder, for programs in C.
# libcorder.pc finds the prefix from its own place, so that any prefix does, at any time.
file(RELATIVE_PATH CORDER_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(clients/c/libcorder.pc.in libcorder.pc @ONLY)
configure_file(clients/c/corder.3.in corder.3 @ONLY)
install(TARGETS libcorder LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES clients/c/corder.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${CMAKE_BINARY_DIR}/libcorder.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${CMAKE_BINARY_DIR}/corder.3" DESTINATION "${CMAKE_INSTALL_MANDIR}/man3")
