# Script mode. Builds the archive with cargo, then copies it, librdkafka's headers and the list of its sources to
# the build folder; with UNIT_TESTS=ON runs the unit tests instead.
#
# CARGO, MANIFEST, TARGET_DIR, SYSTEM_RDKAFKA, and ARCHIVE with INCLUDE, or UNIT_TESTS.

cmake_minimum_required(VERSION 3.25)

# The environment's flags must not reach cargo: they would make each caller rebuild every dependency.
foreach(name IN ITEMS RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS CPPFLAGS LDFLAGS MAKEFLAGS MFLAGS)
  unset(ENV{${name}})
endforeach()
# Hides C11's <threads.h> from librdkafka's configure, which then takes pthreads: ThreadSanitizer does not know threads
# that thrd_create makes, and the program would crash (librdkafka's configure.self says so too).
set(ENV{CFLAGS} "-D_THREADS_H")

# lib.rs says what for.
set(ENV{MILLRACE_SOURCE_FOLDER} "${CMAKE_CURRENT_LIST_DIR}")

set(options --release --locked --manifest-path "${MANIFEST}" --target-dir "${TARGET_DIR}")
if(SYSTEM_RDKAFKA)
  list(APPEND options --no-default-features)
endif()

if(UNIT_TESTS)
  execute_process(COMMAND "${CARGO}" test ${options} COMMAND_ERROR_IS_FATAL ANY)
  return()
endif()

# Cargo's own lock ends with its build; this one also covers the copy, because other clones write to the same place.
file(MAKE_DIRECTORY "${TARGET_DIR}")
file(LOCK "${TARGET_DIR}/millrace.lock" GUARD PROCESS TIMEOUT 3600)
execute_process(
  COMMAND "${CARGO}" build ${options} --message-format=json-render-diagnostics
  OUTPUT_VARIABLE messages RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "cargo build failed (${status})")
endif()

get_filename_component(folder "${ARCHIVE}" DIRECTORY)
set(built "${TARGET_DIR}/release/libmillrace_native")
file(COPY_FILE "${built}.a" "${ARCHIVE}" ONLY_IF_DIFFERENT)
file(TOUCH_NOCREATE "${ARCHIVE}")
file(READ "${built}.d" sources)
# Cargo names either artefact of the crate.
string(REGEX REPLACE "^[^\n]*\\.(a|rlib):" "${ARCHIVE}:" sources "${sources}")
file(WRITE "${ARCHIVE}.d" "${sources}")

if(NOT SYSTEM_RDKAFKA)
  if(NOT messages MATCHES "\"build-script-executed\"[^\n]*rdkafka-sys[^\n]*\"out_dir\":\"([^\"]+)\"")
    message(FATAL_ERROR "cargo did not say where librdkafka was built")
  endif()
  set(librdkafka "${CMAKE_MATCH_1}/src")
  foreach(header IN ITEMS rdkafka.h rdkafka_mock.h)
    file(COPY_FILE "${librdkafka}/${header}" "${INCLUDE}/librdkafka/${header}" ONLY_IF_DIFFERENT)
  endforeach()
endif()
