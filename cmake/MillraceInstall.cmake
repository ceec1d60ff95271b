# The installed package: headers, archives, the code generator, the program, and what find_package(millrace CONFIG) and
# pkg-config read. Nothing in it names a path of this machine.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/millrace")
set(library_targets millrace_native)
foreach(library IN LISTS millrace_libraries)
  list(APPEND library_targets millrace_${library})
endforeach()

install(TARGETS ${library_targets} EXPORT millrace-targets COMPONENT millrace-dev
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT millrace-dev
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT millrace-dev)
get_target_property(native_archive millrace_native_archive IMPORTED_LOCATION)
install(FILES "${native_archive}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT millrace-dev)
install(TARGETS millrace_avro_codegen EXPORT millrace-targets
  RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/millrace" COMPONENT millrace-dev)
install(EXPORT millrace-targets NAMESPACE millrace:: DESTINATION "${package_folder}" COMPONENT millrace-dev)

configure_package_config_file(cmake/millrace-config.cmake.in "${PROJECT_BINARY_DIR}/package/millrace-config.cmake"
  INSTALL_DESTINATION "${package_folder}" PATH_VARS CMAKE_INSTALL_LIBDIR NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change what a program compiles against.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/millrace-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/package/millrace-config.cmake"
  "${PROJECT_BINARY_DIR}/package/millrace-config-version.cmake"
  cmake/MillraceAvro.cmake
  cmake/MillraceDependencies.cmake
  DESTINATION "${package_folder}" COMPONENT millrace-dev)

# For builds without CMake: pkg-config --cflags --libs --static millrace. An archive names what it needs before the
# archives that have it, so the list is the libraries', highest first.
set(archives)
foreach(library IN LISTS millrace_libraries)
  string(PREPEND archives "-lmillrace_${library} ")
endforeach()
if(MILLRACE_SYSTEM_RDKAFKA)
  set(required_packages ", rdkafka >= 2.12")
endif()
file(RELATIVE_PATH prefix_from_pc "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(cmake/millrace.pc.in "${PROJECT_BINARY_DIR}/package/millrace.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/package/millrace.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT millrace-dev)

# Everything that `cmake --install` copies, for a build folder in which not everything was built.
add_custom_target(millrace_installed DEPENDS ${library_targets} millrace_avro_codegen)
if(MILLRACE_BUILD_PROGRAM)
  install(TARGETS millrace RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT millrace)
  # The rules of `millrace check`, for editors and for builds that run clang-tidy themselves.
  install(FILES apps/millrace/check/rules/clang-tidy.yaml apps/millrace/check/rules/coroutines.query
    DESTINATION "${CMAKE_INSTALL_DATADIR}/millrace" COMPONENT millrace)
  add_dependencies(millrace_installed millrace)
endif()
