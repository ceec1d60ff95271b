# millrace_avro_generate(TARGET SCHEMA schemas/navigation.avsc [NAMESPACE tracking])
# Generates navigation.avsc.h while building and lets TARGET include it as "navigation.avsc.h". Without NAMESPACE the
# C++ namespace is the last part of the schema's own.
function(millrace_avro_generate target)
  cmake_parse_arguments(ARG "" "SCHEMA;NAMESPACE" "" ${ARGN})
  get_filename_component(schema "${ARG_SCHEMA}" ABSOLUTE)
  get_filename_component(name "${schema}" NAME)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}.generated")
  set(header "${folder}/${name}.h")
  file(MAKE_DIRECTORY "${folder}")
  add_custom_command(OUTPUT "${header}"
    COMMAND millrace_avro_codegen "${schema}" "${header}" ${ARG_NAMESPACE}
    DEPENDS "${schema}" millrace_avro_codegen
    COMMENT "Generating ${name}.h" VERBATIM)
  target_sources(${target} PRIVATE "${header}")
  target_include_directories(${target} PRIVATE "${folder}")
  target_link_libraries(${target} PRIVATE millrace::avro)
endfunction()
