package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// What a line asks of a schema registry: schemas by their ids, and registration. One id for each different text.
type registry struct {
	mutex   sync.Mutex
	schemas []string // the id is the index + 1
}

func newRegistry() *registry { return &registry{} }

func (r *registry) types(w http.ResponseWriter, _ *http.Request) {
	registryReply(w, 200, []string{"AVRO"})
}

func (r *registry) schema(w http.ResponseWriter, request *http.Request) {
	id, _ := strconv.Atoi(request.PathValue("id"))
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if id < 1 || id > len(r.schemas) {
		registryReply(w, 404, map[string]any{"error_code": 40403, "message": "Schema not found"})
		return
	}
	registryReply(w, 200, map[string]string{"schema": r.schemas[id-1]})
}

func (r *registry) register(w http.ResponseWriter, request *http.Request) {
	var given struct {
		Schema string `json:"schema"`
	}
	if json.NewDecoder(request.Body).Decode(&given) != nil || given.Schema == "" {
		registryReply(w, 422, map[string]any{"error_code": 42201, "message": "Invalid schema"})
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for index, known := range r.schemas {
		if known == given.Schema {
			registryReply(w, 200, map[string]int{"id": index + 1})
			return
		}
	}
	r.schemas = append(r.schemas, given.Schema)
	registryReply(w, 200, map[string]int{"id": len(r.schemas)})
}

func registryReply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone
}
