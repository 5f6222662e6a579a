set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(WEIR_TESTS "build the unit tests and register every test" ON)
option(WEIR_BENCH "build the benches" OFF)
option(WEIR_FUZZ "build the fuzz targets (clang)" OFF)
# Other compilers warn of other things: they must not keep people from building.
set(werror OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(werror ON)
endif()
option(WEIR_WERROR "warnings are errors" ${werror})
option(WEIR_PCH "precompile the headers nearly every file needs" OFF)
option(WEIR_HARDEN "PIE, RELRO, stack protector, fortify" OFF)
option(WEIR_LIBAV_ON_DEMAND "only the media tool loads libav: the others save 25 MB each" OFF)
set(WEIR_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(weir_flags INTERFACE)
target_compile_options(weir_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ (12 and 14 seen) inlines one coroutine's frame allocation into another and then takes Asio's aligned new for a plain one.
  target_compile_options(weir_flags INTERFACE -Wno-mismatched-new-delete)
endif()
if(CMAKE_UNITY_BUILD)
  # Several sources are one: an anonymous namespace then is no longer one file's own, which is all this warning says.
  target_compile_options(weir_flags INTERFACE -Wno-subobject-linkage)
endif()
if(WEIR_WERROR)
  target_compile_options(weir_flags INTERFACE -Werror)
endif()
target_compile_definitions(weir_flags INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY_UNUSED)

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It leaves no weak references to the loader (docs/decisions/0009).
  target_link_options(weir_flags INTERFACE
    $<$<NOT:$<AND:$<BOOL:${WEIR_LIBAV_ON_DEMAND}>,$<STREQUAL:$<TARGET_PROPERTY:NAME>,weir>>>:-fuse-ld=mold>)
endif()

if(WEIR_SANITIZE)
  target_compile_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(weir_flags INTERFACE -fsanitize=${WEIR_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT WEIR_SANITIZE STREQUAL "thread")
    # Clang 14's assembler fails on coroutines with the function sanitizer.
    target_compile_options(weir_flags INTERFACE -fno-sanitize=function)
    target_link_options(weir_flags INTERFACE -fno-sanitize=function)
  endif()
endif()

if(WEIR_HARDEN)
  # Everything ends in an executable: one flag for all, so that one precompiled header serves all.
  target_compile_options(weir_flags INTERFACE -fPIE -fstack-protector-strong -fstack-clash-protection)
  target_compile_definitions(weir_flags INTERFACE _FORTIFY_SOURCE=2 _GLIBCXX_ASSERTIONS)
  target_link_options(weir_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
