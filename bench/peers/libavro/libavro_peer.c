/* The libavro row of the benchmark: a generic value, reused. The protocol is in bench/avro/README.md.
 * usage: avro-peers DATA_FOLDER SCHEMA_FILE */
#include <avro.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_BYTES = 5, LINE_BYTES_MAX = 256 };

static void check(int failed) {
  if (failed) {
    fprintf(stderr, "%s\n", avro_strerror());
    exit(1);
  }
}

static char *read_file(const char *folder, const char *name, size_t *size) {
  char path[4096];
  snprintf(path, sizeof path, "%s%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *data = malloc(*size + 1);
  if (data == NULL || fread(data, 1, *size, file) != *size) exit(1);
  data[*size] = 0;
  fclose(file);
  return data;
}

static uint64_t fnv1a(const void *data, size_t size) {
  const uint8_t *bytes = data;
  uint64_t hash = 0xcbf29ce484222325U;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3U;
  return hash;
}

static uint64_t leaf(const char *name, const void *data, size_t size) {
  return fnv1a(data, size) * (fnv1a(name, strlen(name)) | 1);
}

static uint64_t integer(const char *name, int64_t value) { return leaf(name, &value, sizeof value); }
static uint64_t real(const char *name, double value) { return leaf(name, &value, sizeof value); }

static uint64_t sum_of(const char *name, const avro_value_t *value) {
  switch (avro_value_get_type(value)) {
    case AVRO_STRING: {
      const char *text = NULL;
      size_t size = 0;
      check(avro_value_get_string(value, &text, &size));
      return leaf(name, text, size - 1); /* its size counts the NUL */
    }
    case AVRO_BYTES: { /* the decimal, big-endian */
      const void *data = NULL;
      size_t size = 0;
      check(avro_value_get_bytes(value, &data, &size));
      const uint8_t *bytes = data;
      uint64_t unscaled = size > 0 && (bytes[0] & 0x80) != 0 ? UINT64_MAX : 0;
      for (size_t i = 0; i < size; ++i) unscaled = unscaled << 8 | bytes[i];
      return integer(name, (int64_t)unscaled);
    }
    case AVRO_FIXED: {
      const void *data = NULL;
      size_t size = 0;
      check(avro_value_get_fixed(value, &data, &size));
      return leaf(name, data, size);
    }
    case AVRO_INT32: {
      int32_t number = 0;
      check(avro_value_get_int(value, &number));
      return integer(name, number);
    }
    case AVRO_INT64: {
      int64_t number = 0;
      check(avro_value_get_long(value, &number));
      return integer(name, number);
    }
    case AVRO_FLOAT: {
      float number = 0;
      check(avro_value_get_float(value, &number));
      return real(name, number);
    }
    case AVRO_DOUBLE: {
      double number = 0;
      check(avro_value_get_double(value, &number));
      return real(name, number);
    }
    case AVRO_BOOLEAN: {
      int flag = 0;
      check(avro_value_get_boolean(value, &flag));
      return integer(name, flag);
    }
    case AVRO_ENUM: {
      int symbol = 0;
      check(avro_value_get_enum(value, &symbol));
      const char *text = avro_schema_enum_get(avro_value_get_schema(value), symbol);
      return leaf(name, text, strlen(text));
    }
    case AVRO_UNION: {
      avro_value_t branch;
      check(avro_value_get_current_branch(value, &branch));
      return sum_of(name, &branch);
    }
    case AVRO_NULL:
      return 0;
    default: {
      const int is_array = avro_value_get_type(value) == AVRO_ARRAY;
      const int is_map = avro_value_get_type(value) == AVRO_MAP;
      size_t count = 0;
      uint64_t total = 0;
      check(avro_value_get_size(value, &count));
      for (size_t i = 0; i < count; ++i) {
        avro_value_t item;
        const char *key = NULL;
        check(avro_value_get_by_index(value, i, &item, &key));
        total += sum_of(is_array ? name : key, &item);
        if (is_map) total += leaf(name, key, strlen(key));
      }
      return total;
    }
  }
}

static uint64_t pass(const char *data, size_t size, avro_reader_t reader, avro_value_t *value, int summed) {
  uint64_t total = 0;
  for (size_t at = 0; at < size;) {
    uint32_t length = 0;
    memcpy(&length, data + at, sizeof length);
    avro_reader_memory_set_source(reader, data + at + 4 + FRAME_BYTES, length - FRAME_BYTES);
    check(avro_value_reset(value));
    check(avro_value_read(reader, value));
    if (summed) total += sum_of("", value);
    at += 4 + length;
  }
  return total;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t size = 0;
  size_t schema_size = 0;
  char *data = read_file(argv[1], "/navigation.bin", &size);
  char *text = read_file(argv[2], "", &schema_size);
  avro_schema_t schema;
  check(avro_schema_from_json_length(text, schema_size, &schema));
  avro_value_iface_t *class = avro_generic_class_from_schema(schema);
  avro_value_t value;
  check(avro_generic_value_new(class, &value));
  avro_reader_t reader = avro_reader_memory(data, (int64_t)size);

  puts("C libavro, generic value reused");
  fflush(stdout);
  char line[LINE_BYTES_MAX];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const int summed = strncmp(line, "sum\t", 4) == 0;
    const uint64_t total = pass(data, size, reader, &value, summed);
    if (summed) {
      printf("%016" PRIx64 "\n", total);
    } else {
      puts("done");
    }
    fflush(stdout);
  }
  return 0;
}
