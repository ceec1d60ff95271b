"""Our codec beside two others, Avro for Java and fastavro."""
