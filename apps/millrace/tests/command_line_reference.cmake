# Script mode. Fails when PAGE is not what PROGRAM prints.
execute_process(COMMAND "${PROGRAM}" help --markdown OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${PAGE}")
  message(FATAL_ERROR "${PAGE} is missing; ./dev generate writes it")
endif()
file(READ "${PAGE}" page)
if(NOT page STREQUAL printed)
  message(FATAL_ERROR "${PAGE} is out of date; ./dev generate writes it again")
endif()
