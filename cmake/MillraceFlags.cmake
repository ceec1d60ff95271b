# Compiler and linker flags. Sources: the OpenSSF guide for hardening C and C++; GCC 12 has no -fhardened, so the flags
# are spelt out. Libraries take millrace_compile_flags; programs take millrace_flags, which adds the linker's. Neither
# reaches a program of another project.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

set(MILLRACE_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")

add_library(millrace_compile_flags INTERFACE)
add_library(millrace_flags INTERFACE)
target_link_libraries(millrace_flags INTERFACE millrace_compile_flags)
target_compile_options(millrace_compile_flags INTERFACE
  -Wall -Wextra -Wconversion -Wswitch-enum -Wformat=2 -Wimplicit-fallthrough $<$<BOOL:${MILLRACE_WARNINGS_AS_ERRORS}>:-Werror>
  -fno-strict-overflow -fno-delete-null-pointer-checks -ftrivial-auto-var-init=zero)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Coroutine frames: GCC 12 does not see that promise operator new/delete match.
  target_compile_options(millrace_compile_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Part of Clang's -Wconversion, not of GCC's; and what Clang finds deprecated inside libstdc++'s own stable_sort.
  # Verdicts joined without branches, on purpose, are no mistake.
  target_compile_options(millrace_compile_flags INTERFACE -Wno-sign-conversion -Wno-deprecated-declarations
    -Wno-bitwise-instead-of-logical)
endif()

if(MILLRACE_SANITIZE)
  target_compile_options(millrace_compile_flags INTERFACE
    -fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC documents that instrumented code makes it report variables that are initialised.
    target_compile_options(millrace_compile_flags INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
    if(MILLRACE_SANITIZE STREQUAL "thread")
      # Boost.Asio has fences, which ThreadSanitizer does not model; the tests that it runs do not use Asio.
      target_compile_options(millrace_compile_flags INTERFACE -Wno-tsan)
    endif()
  endif()
  target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
else()
  target_compile_options(millrace_compile_flags INTERFACE
    -fstack-clash-protection -fstack-protector-strong)
  target_compile_definitions(millrace_compile_flags INTERFACE _GLIBCXX_ASSERTIONS)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(millrace_compile_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(millrace_compile_flags INTERFACE -fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    target_compile_options(millrace_compile_flags INTERFACE -mbranch-protection=standard)
  endif()
  target_link_options(millrace_flags INTERFACE
    -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
endif()

find_program(MILLRACE_CCACHE ccache)
if(MILLRACE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${MILLRACE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MILLRACE_CCACHE})
endif()
# mold links the test programs several times faster; the released program uses the default linker.
find_program(MILLRACE_MOLD mold)
if(MILLRACE_MOLD AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  target_link_options(millrace_flags INTERFACE -fuse-ld=mold)
endif()
