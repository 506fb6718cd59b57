# The language, the warnings and the build types. Assertions (`must`) stay on in every one of them.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")

add_compile_definitions("_GNU_SOURCE=")
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
	-Wswitch-enum -Wformat=2 -Wvla -fno-omit-frame-pointer -fstack-protector-strong)
option(CORDER_TEETH "Let CORDER_TEST_WITHOUT switch off guards of the protocol, to see that the tests notice" OFF)
if(CORDER_TEETH)
	add_compile_definitions(CORDER_TEETH)
endif()

if(CORDER_WERROR)
	add_compile_options(-Werror)
endif()

if(CORDER_SANITIZE)
	# With sanitizers gcc knows less about lengths and guesses wrong about cut texts; the other builds look at those.
	add_compile_options(-fsanitize=${CORDER_SANITIZE} -fno-sanitize-recover=all
		$<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
	add_link_options(-fsanitize=${CORDER_SANITIZE})
else()
	add_link_options(-Wl,-z,relro,-z,now)
	add_compile_options($<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
endif()
