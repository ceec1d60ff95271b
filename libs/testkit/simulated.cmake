# The simulated ports and the processor runner: on the manual clock, without servers or threads.
set(simulated_headers processor_runner.h simulated_log.h simulated_schemas.h simulated_sink.h simulated_source.h simulated_store.h)
set(simulated_sources processor_runner.cc simulated_log.cc simulated_schemas.cc simulated_sink.cc simulated_source.cc simulated_store.cc)
list(TRANSFORM simulated_headers PREPEND include/millrace/testkit/)
list(TRANSFORM simulated_sources PREPEND src/)
target_sources(millrace_testkit PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${simulated_headers}
                                PRIVATE ${simulated_sources})
target_link_libraries(millrace_testkit PUBLIC millrace::runtime millrace::metrics millrace::stream millrace::pipeline)
