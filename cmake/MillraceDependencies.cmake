# The libraries of other projects that Millrace's archives link. The build and the installed package find them here, so
# that the package holds no path of the machine that built it.

# millrace_find_archive(NAME NAMES libNAME.a [HEADER file.h] [REQUIRED]) defines millrace_archive::NAME: the static archive, so
# that a program stays one file to copy.
function(millrace_find_archive name)
  if(TARGET millrace_archive::${name})
    return()
  endif()
  cmake_parse_arguments(ARG "REQUIRED" "HEADER" "NAMES" ${ARGN})
  find_library(MILLRACE_${name}_ARCHIVE NAMES ${ARG_NAMES})
  if(ARG_HEADER)
    find_path(MILLRACE_${name}_INCLUDE ${ARG_HEADER})
  endif()
  mark_as_advanced(MILLRACE_${name}_ARCHIVE MILLRACE_${name}_INCLUDE)
  if(NOT MILLRACE_${name}_ARCHIVE OR (ARG_HEADER AND NOT MILLRACE_${name}_INCLUDE))
    if(ARG_REQUIRED)
      message(FATAL_ERROR "Millrace needs ${ARG_NAMES} with its headers; set MILLRACE_${name}_ARCHIVE to its path")
    endif()
    return()
  endif()
  add_library(millrace_archive::${name} STATIC IMPORTED GLOBAL)
  set_target_properties(millrace_archive::${name} PROPERTIES IMPORTED_LOCATION "${MILLRACE_${name}_ARCHIVE}")
  if(ARG_HEADER)
    target_include_directories(millrace_archive::${name} INTERFACE "${MILLRACE_${name}_INCLUDE}")
  endif()
endfunction()

# A macro: find_package reports to its caller's scope.
macro(millrace_find_dependencies)
  find_package(Threads ${ARGN})
  find_package(OpenSSL 3.0 ${ARGN})
  find_package(ZLIB ${ARGN})
  millrace_find_archive(yaml_cpp NAMES libyaml-cpp.a HEADER yaml-cpp/parser.h ${ARGN})
  # The codecs of Avro's container files. Where the native archive holds a zstandard of its own, the linker takes either
  # for both: only its stable interface is used.
  millrace_find_archive(snappy NAMES libsnappy.a ${ARGN})
  millrace_find_archive(zstd NAMES libzstd.a ${ARGN})
  # With snappy, the compression of CQL frames, by the client and by the CQL emulator. librdkafka holds an lz4 of its
  # own, to which the same applies.
  millrace_find_archive(lz4 NAMES liblz4.a HEADER lz4.h ${ARGN})
endmacro()
