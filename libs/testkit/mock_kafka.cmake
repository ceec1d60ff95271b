# librdkafka's mock cluster: a target of its own, so that the tests of libs/kafka need nothing else of the testkit.
include_guard(GLOBAL)
add_library(millrace_testkit_kafka STATIC "${CMAKE_CURRENT_LIST_DIR}/src/kafka_relay.cc"
  "${CMAKE_CURRENT_LIST_DIR}/src/mock_kafka.cc")
add_library(millrace::testkit_kafka ALIAS millrace_testkit_kafka)
target_sources(millrace_testkit_kafka PUBLIC FILE_SET HEADERS BASE_DIRS "${CMAKE_CURRENT_LIST_DIR}/include"
  FILES "${CMAKE_CURRENT_LIST_DIR}/include/millrace/testkit/kafka_relay.h"
        "${CMAKE_CURRENT_LIST_DIR}/include/millrace/testkit/mock_kafka.h")
target_link_libraries(millrace_testkit_kafka PUBLIC millrace::base PRIVATE millrace_flags millrace::native)
