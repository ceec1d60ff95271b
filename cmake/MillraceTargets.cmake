# One library = one folder = one target = one namespace.
#
# millrace_library(NAME
#   HEADERS a.h b.h            public headers, relative to include/millrace/NAME
#   SOURCES a.cc b.cc          relative to src/
#   DEPENDS base runtime       other libraries of ours, as the layering table allows
#   PRIVATE_LINKS OpenSSL::SSL third parties, invisible to users of the headers)
# The target is millrace::NAME here and in the installed package.
set(millrace_header_only_packages Boost::headers CLI11::CLI11 fmt::fmt-header-only nlohmann_json::nlohmann_json
  spdlog::spdlog_header_only)

function(millrace_library name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;DEPENDS;PRIVATE_LINKS" ${ARGN})
  set(target millrace_${name})
  list(TRANSFORM ARG_SOURCES PREPEND "src/")
  list(TRANSFORM ARG_HEADERS PREPEND "include/millrace/${name}/")
  list(TRANSFORM ARG_DEPENDS PREPEND "millrace::")
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:millrace_compile_flags>)
    # Only the compilation of the library itself needs these; a user of the package need not have them.
    foreach(link IN LISTS ARG_PRIVATE_LINKS)
      if(link IN_LIST millrace_header_only_packages)
        target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${link}>)
      else()
        target_link_libraries(${target} PRIVATE ${link})
      endif()
    endforeach()
    target_include_directories(${target} PRIVATE src)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(millrace::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  target_link_libraries(${target} ${scope} ${ARG_DEPENDS})
endfunction()

# millrace_test(NAME SOURCES a.cc LIBRARIES avro [LABELS unit] [LINKS third_party] [TIMEOUT 60])
# GoogleTest program; every case is a ctest case of its own. LABELS say where it runs (CONTRIBUTING.md has the list);
# the target tests_LABEL builds the programs of one label.
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
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
  foreach(label IN LISTS ARG_LABELS)
    if(NOT TARGET tests_${label})
      add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${name})
  endforeach()
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  # gtest_discover_tests flattens lists, so several labels are set afterwards, from the list of cases it leaves.
  set(labels_file "${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake")
  file(WRITE "${labels_file}"
    "foreach(test IN LISTS ${name}_TESTS)\n"
    "  set_tests_properties(\"\${test}\" PROPERTIES LABELS \"${ARG_LABELS}\")\n"
    "endforeach()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")
endfunction()
