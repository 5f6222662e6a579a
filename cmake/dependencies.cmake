find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
# 1.81 on Debian 12, 1.83 on Debian 13 and Ubuntu 24.04.
find_package(Boost 1.81 REQUIRED COMPONENTS json url system)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(psl REQUIRED IMPORTED_TARGET libpsl)
pkg_check_modules(fyaml REQUIRED IMPORTED_TARGET libfyaml)
# One's own FFmpeg: put its lib/pkgconfig into PKG_CONFIG_PATH.
pkg_check_modules(libav REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(mosquitto REQUIRED IMPORTED_TARGET libmosquitto)
# Headers only: loaded by the first profile (docs/decisions/0010).
pkg_check_modules(profiler REQUIRED libprofiler)
pkg_check_modules(dw REQUIRED libdw)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
# Header only.
find_path(PROTOZERO_INCLUDE protozero/pbf_writer.hpp REQUIRED)

# libav's functions as weak references in weir_media, and the names to load them by.
function(weir_libav_on_demand)
  foreach(part avformat avcodec avutil)
    find_library(path_of_${part} ${part} HINTS ${libav_LIBRARY_DIRS} REQUIRED)
    execute_process(COMMAND readelf -d ${path_of_${part}} OUTPUT_VARIABLE head COMMAND_ERROR_IS_FATAL ANY)
    if(NOT head MATCHES "soname: \\[([^]]+)\\]")
      message(FATAL_ERROR "${path_of_${part}} has no name to load it by: configure with -DWEIR_LIBAV_ON_DEMAND=OFF")
    endif()
    list(APPEND names ${CMAKE_MATCH_1})
  endforeach()
  list(JOIN names ":" names)
  target_compile_definitions(weir_media PRIVATE WEIR_LIBAV_ON_DEMAND="${names}")
  # Tests and benches use libav in their own process, whatever the compiler's habit.
  target_link_options(weir_media INTERFACE $<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,weir>>:-Wl,--no-as-needed>)
endfunction()
