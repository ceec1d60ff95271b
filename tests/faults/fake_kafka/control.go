package main

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// JSON in, JSON out. What cannot be done is answered with 400 and a sentence.
func newControl(all *cluster) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /cluster", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"bootstrap": all.bootstrap(), "requests": all.journal.counts()}, nil)
	})
	routes.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) { reply(w, all.rules.list(), nil) })
	routes.HandleFunc("DELETE /rules", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.URL.Query().Get("id"))
		all.rules.remove(id)
		reply(w, struct{}{}, nil)
	})
	routes.HandleFunc("GET /journal", func(w http.ResponseWriter, r *http.Request) {
		api, err := strconv.Atoi(r.URL.Query().Get("api"))
		if err != nil {
			api = -1
		}
		reply(w, all.journal.list(int16(api)), nil)
	})
	routes.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, all.check.state(), nil) })
	routes.HandleFunc("POST /rules", order(func(given rule) (any, error) {
		id, err := all.rules.add(given)
		return map[string]int{"id": id}, err
	}))
	routes.HandleFunc("POST /check", order(func(given struct {
		Source  string   `json:"source"`
		Outputs []string `json:"outputs"`
	}) (any, error) {
		return struct{}{}, all.check.start(given.Source, given.Outputs)
	}))
	routes.HandleFunc("POST /leader", order(func(given struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Broker    *int32 `json:"broker"`
	}) (any, error) {
		node := int32(-1)
		if given.Broker != nil {
			node = *given.Broker
		}
		now, err := all.moveLeader(given.Topic, given.Partition, node)
		return map[string]int32{"broker": now}, err
	}))
	routes.HandleFunc("POST /coordinator", order(func(given struct {
		Group string `json:"group"`
	}) (any, error) {
		return map[string]int32{"broker": all.moveCoordinator(given.Group)}, nil
	}))
	routes.HandleFunc("POST /partitions", order(func(given struct {
		Topic string `json:"topic"`
		Count int32  `json:"count"`
	}) (any, error) {
		return struct{}{}, all.addPartitions(given.Topic, given.Count)
	}))
	routes.HandleFunc("POST /produce", order(func(given struct {
		Topic   string `json:"topic"`
		Records []struct {
			Partition int32  `json:"partition"`
			Key       string `json:"key"`
			Value     []byte `json:"value"` // base64
		} `json:"records"`
	}) (any, error) {
		records := make([]*kgo.Record, 0, len(given.Records))
		for _, each := range given.Records {
			records = append(records, &kgo.Record{
				Topic: given.Topic, Partition: each.Partition, Key: []byte(each.Key), Value: each.Value,
			})
		}
		return struct{}{}, all.produce(records)
	}))
	registry := newRegistry()
	routes.HandleFunc("GET /registry/schemas/types", registry.types)
	routes.HandleFunc("GET /registry/schemas/ids/{id}", registry.schema)
	routes.HandleFunc("POST /registry/subjects/{subject}/versions", registry.register)
	return routes
}

func reply(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client is gone
}

// A request whose body is an Order.
func order[Order any](run func(Order) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var given Order
		body := json.NewDecoder(r.Body)
		body.DisallowUnknownFields()
		if err := body.Decode(&given); err != nil {
			reply(w, nil, err)
			return
		}
		answer, err := run(given)
		reply(w, answer, err)
	}
}
