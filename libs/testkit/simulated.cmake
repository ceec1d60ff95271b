# The simulated ports and the processor runner: on the manual clock, without servers or threads. A target of its
# own, so that tests of the engine do not wait for the servers to be built.
set(simulated_headers processor_runner.h simulated_log.h simulated_schemas.h simulated_sink.h simulated_source.h
    simulated_store.h)
list(TRANSFORM simulated_headers PREPEND include/millrace/testkit/)
add_library(millrace_testkit_simulated STATIC
  src/processor_runner.cc src/simulated_log.cc src/simulated_schemas.cc src/simulated_sink.cc src/simulated_source.cc
  src/simulated_store.cc)
add_library(millrace::testkit_simulated ALIAS millrace_testkit_simulated)
target_sources(millrace_testkit_simulated PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${simulated_headers})
target_link_libraries(millrace_testkit_simulated
  PUBLIC millrace::base millrace::runtime millrace::metrics millrace::stream millrace::engine
  PRIVATE millrace_flags)

millrace_test(testkit_runner_tests SOURCES processor_runner_test.cc LIBRARIES testkit_simulated LABELS unit testkit)
if(TARGET testkit_runner_tests)
  target_include_directories(testkit_runner_tests PRIVATE ../engine/tests)
endif()
