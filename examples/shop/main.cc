#include "processors.h"

int main(int argc, char** argv) { return millrace::main(argc, argv, shop::application()); }
