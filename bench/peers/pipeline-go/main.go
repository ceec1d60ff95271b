// The Go contestant of the pipeline benchmark: franz-go, hamba/avro, gocql.
// usage: pipeline-go BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gocql/gocql"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/bench/avro-peers/navigation"
)

const (
	frameBytes     = 5
	commitEvery    = time.Second
	recordsPerPoll = 500 // so that the time of fetching means something
	selectCQL      = "SELECT segment, score FROM bench.visitor_profile WHERE visitor_id = ?"
	insertCQL      = "INSERT INTO bench.visit (visitor_id, event_time, event_id, url, segment, score) VALUES (?, ?, ?, ?, ?, ?)"
)

// What is left of a record once it is decoded; records are reused, so this is a copy.
type visit struct {
	partition int32
	offset    int64
	fetched   time.Time
	visitorID string
	eventTime time.Time
	eventID   gocql.UUID
	url       string
}

// Per partition the offsets in flight; what is below the lowest of them may be committed.
type partition struct {
	inFlight map[int64]struct{}
	lowest   int64
	next     int64
}

type progress struct {
	mutex      sync.Mutex
	partitions map[int32]*partition
	latencies  []time.Duration
	seen       int
	warmUp     int
}

func (p *progress) started(number int32, offset int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	one := p.partitions[number]
	if one == nil {
		one = &partition{inFlight: map[int64]struct{}{}, lowest: offset}
		p.partitions[number] = one
	}
	one.inFlight[offset] = struct{}{}
	one.next = offset + 1
}

func (p *progress) done(v *visit) {
	took := time.Since(v.fetched)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	one := p.partitions[v.partition]
	delete(one.inFlight, v.offset)
	for one.lowest < one.next {
		if _, waits := one.inFlight[one.lowest]; waits {
			break
		}
		one.lowest++
	}
	p.seen++
	if p.seen > p.warmUp {
		p.latencies = append(p.latencies, took)
	}
}

func (p *progress) positions(topic string) map[string]map[int32]kgo.EpochOffset {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	offsets := map[int32]kgo.EpochOffset{}
	for number, one := range p.partitions {
		offsets[number] = kgo.EpochOffset{Epoch: -1, Offset: one.lowest}
	}
	return map[string]map[int32]kgo.EpochOffset{topic: offsets}
}

func (p *progress) print() {
	slices.Sort(p.latencies)
	at := func(share float64) float64 {
		index := min(int(float64(len(p.latencies))*share), len(p.latencies)-1)
		return float64(p.latencies[index].Microseconds()) / 1e3
	}
	text, err := json.Marshal(map[string]float64{"p50_ms": at(0.50), "p95_ms": at(0.95), "p99_ms": at(0.99)})
	must(err)
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func answered(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
	must(err)
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			must(kerr.ErrorForCode(partition.ErrorCode))
		}
	}
}

func process(session *gocql.Session, v *visit) {
	segment, score := "unknown", 0.0
	err := session.Query(selectCQL, v.visitorID).Scan(&segment, &score)
	if err != nil && !errors.Is(err, gocql.ErrNotFound) {
		log.Fatal(err)
	}
	must(session.Query(insertCQL, v.visitorID, v.eventTime, v.eventID, v.url, segment, score).Exec())
}

func main() {
	if len(os.Args) != 8 {
		log.Fatal("usage: pipeline-go BROKERS TOPIC GROUP CQL SCHEMA_FILE RECORDS IN_FLIGHT")
	}
	brokers, topic, group, cql := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	text, err := os.ReadFile(os.Args[5])
	must(err)
	records, err := strconv.Atoi(os.Args[6])
	must(err)
	inFlight, err := strconv.Atoi(os.Args[7])
	must(err)
	schema := avro.MustParse(string(text))

	cluster := gocql.NewCluster(cql)
	cluster.ProtoVersion = 4
	cluster.Consistency = gocql.LocalOne
	cluster.NumConns = 1
	session, err := cluster.CreateSession()
	must(err)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	must(err)

	all := &progress{partitions: map[int32]*partition{}, warmUp: records / 5}
	work := make(chan *visit, inFlight)
	var workers sync.WaitGroup
	for range inFlight {
		workers.Go(func() {
			for v := range work {
				process(session, v)
				all.done(v)
			}
		})
	}
	committed := time.Now()
	var nav navigation.Navigation
	for taken := 0; taken < records; {
		fetches := client.PollRecords(context.Background(), recordsPerPoll)
		must(fetches.Err())
		fetched := time.Now()
		fetches.EachRecord(func(record *kgo.Record) {
			if taken == records {
				return
			}
			taken++
			nav.Reset()
			must(avro.Unmarshal(schema, record.Value[frameBytes:], &nav))
			eventID, err := gocql.ParseUUID(nav.EventID)
			must(err)
			all.started(record.Partition, record.Offset)
			work <- &visit{record.Partition, record.Offset, fetched, nav.VisitorID, nav.EventTime, eventID, nav.Page.URL}
			if time.Since(committed) >= commitEvery {
				committed = time.Now()
				client.CommitOffsets(context.Background(), all.positions(topic), answered)
			}
		})
	}
	close(work)
	workers.Wait()
	client.CommitOffsetsSync(context.Background(), all.positions(topic), answered)
	all.print()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
