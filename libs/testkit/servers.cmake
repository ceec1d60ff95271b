# The in-process servers: a target of their own, so that the tests of libs/cql, libs/registry and native need nothing
# else of the testkit.
include_guard(GLOBAL)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)

set(server_headers
  cql_emulator.h
  registry_double.h)
set(server_sources
  cql_behaviour.cc
  cql_catalog.cc
  cql_condition.cc
  cql_dispatch.cc
  cql_emulator.cc
  cql_executor.cc
  cql_lexer.cc
  cql_literal.cc
  cql_murmur3.cc
  cql_parser.cc
  cql_planner.cc
  cql_server.cc
  cql_store.cc
  cql_system.cc
  cql_transport.cc
  cql_type.cc
  registry_double.cc
  registry_store.cc)
list(TRANSFORM server_headers PREPEND "${CMAKE_CURRENT_LIST_DIR}/include/millrace/testkit/")
list(TRANSFORM server_sources PREPEND "${CMAKE_CURRENT_LIST_DIR}/src/")
add_library(millrace_testkit_servers STATIC ${server_sources})
add_library(millrace::testkit_servers ALIAS millrace_testkit_servers)
target_sources(millrace_testkit_servers PUBLIC FILE_SET HEADERS BASE_DIRS "${CMAKE_CURRENT_LIST_DIR}/include"
  FILES ${server_headers})
target_include_directories(millrace_testkit_servers PRIVATE "${CMAKE_CURRENT_LIST_DIR}/src")
target_link_libraries(millrace_testkit_servers
  PUBLIC millrace::base
  PRIVATE millrace_flags Boost::headers fmt::fmt-header-only nlohmann_json::nlohmann_json OpenSSL::SSL Threads::Threads)
