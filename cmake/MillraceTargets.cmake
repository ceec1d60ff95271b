# One library = one folder = one target = one namespace.
#
# millrace_library(NAME
#   HEADERS a.h b.h            public headers, relative to include/millrace/NAME
#   SOURCES a.cc b.cc          relative to src/
#   DEPENDS base runtime       other libraries of ours, as the layering table allows
#   PRIVATE_LINKS OpenSSL::SSL third parties, invisible to users of the headers)
function(millrace_library name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;DEPENDS;PRIVATE_LINKS" ${ARGN})
  set(target millrace_${name})
  list(TRANSFORM ARG_SOURCES PREPEND "src/")
  list(TRANSFORM ARG_HEADERS PREPEND "include/millrace/${name}/")
  list(TRANSFORM ARG_DEPENDS PREPEND "millrace::")
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE millrace_flags ${ARG_PRIVATE_LINKS})
    target_include_directories(${target} PRIVATE src)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(millrace::${name} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  target_link_libraries(${target} ${scope} ${ARG_DEPENDS})
endfunction()

# millrace_test(NAME SOURCES a.cc LIBRARIES avro [LABELS unit] [LINKS third_party] [TIMEOUT 60])
# GoogleTest program; every case is a ctest case of its own.
find_package(GTest REQUIRED)
include(GoogleTest)
function(millrace_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS;LINKS" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  list(TRANSFORM ARG_SOURCES PREPEND "tests/")
  list(TRANSFORM ARG_LIBRARIES PREPEND "millrace::")
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE millrace_flags ${ARG_LIBRARIES} ${ARG_LINKS} GTest::gtest_main)
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
