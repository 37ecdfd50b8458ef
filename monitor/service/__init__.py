"""Everything that touches the world: Kafka, clock, HTTP, files, terminal."""
