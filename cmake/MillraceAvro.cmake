# millrace_avro_generate(TARGET SCHEMA schemas/navigation.avsc [NAMESPACE tracking])
#
# Generates navigation.avsc.h while building. TARGET and whatever links it include it as <navigation.avsc.h>. Without
# NAMESPACE the C++ namespace is the last part of the schema's own.
function(millrace_avro_generate target)
  cmake_parse_arguments(ARG "" "SCHEMA;NAMESPACE" "" ${ARGN})
  if(NOT ARG_SCHEMA OR ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "usage: millrace_avro_generate(TARGET SCHEMA file.avsc [NAMESPACE name])")
  endif()
  get_filename_component(schema "${ARG_SCHEMA}" ABSOLUTE)
  get_filename_component(name "${schema}" NAME)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}.generated")
  set(header "${folder}/${name}.h")
  file(MAKE_DIRECTORY "${folder}")
  add_custom_command(OUTPUT "${header}"
    COMMAND millrace::avro_codegen "${schema}" "${header}" ${ARG_NAMESPACE}
    DEPENDS "${schema}" millrace::avro_codegen
    COMMENT "Generating ${name}.h" VERBATIM)
  target_sources(${target} PRIVATE "${header}")
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${folder}>")
  target_link_libraries(${target} PUBLIC millrace::avro)
endfunction()
