// A Kafka cluster whose answers can be refused, delayed, lost and corrupted, and which checks every commit.
//
//	fake_kafka -control 127.0.0.1:9000 -brokers 3 -topic source:6 -topic outputs:6
//
// The cluster is kfake, in memory. Clients reach it through listeners of this program, which see every request and
// every answer (proxy.go) and apply the rules (rules.go) that are given over HTTP (control.go).
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

type topics []kfake.Opt

func (t *topics) String() string { return "" }

func (t *topics) Set(text string) error {
	name, count, found := strings.Cut(text, ":")
	partitions, err := strconv.Atoi(count)
	if !found || err != nil || partitions < 1 {
		return fmt.Errorf("%q is not NAME:PARTITIONS", text)
	}
	*t = append(*t, kfake.SeedTopics(int32(partitions), name))
	return nil
}

func main() {
	var options topics
	control := flag.String("control", "127.0.0.1:0", "address of the control interface")
	brokers := flag.Int("brokers", 3, "number of brokers")
	session := flag.Duration("session-timeout-min", 0, "smallest session timeout of a group member; 0: 6 s")
	heartbeat := flag.Duration("heartbeat-interval", 0, "of the protocol consumer; 0: 5 s")
	flag.Var(&options, "topic", "NAME:PARTITIONS, may be repeated")
	flag.Parse()
	if *session > 0 {
		options = append(options, kfake.GroupMinSessionTimeout(*session))
	}
	if *heartbeat > 0 {
		interval := strconv.FormatInt(heartbeat.Milliseconds(), 10)
		options = append(options, kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": interval}))
	}
	if err := run(*control, *brokers, options); err != nil {
		fmt.Fprintln(os.Stderr, "fake_kafka:", err)
		os.Exit(1)
	}
}

func run(control string, brokers int, options []kfake.Opt) error {
	listener, err := net.Listen("tcp", control)
	if err != nil {
		return err
	}
	all, err := newCluster(brokers, options)
	if err != nil {
		return err
	}
	log.Printf("brokers %s, control http://%s", all.bootstrap(), listener.Addr())
	return http.Serve(listener, newControl(all))
}
