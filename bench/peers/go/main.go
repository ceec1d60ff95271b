// The Go row of the benchmark; the protocol is in bench/avro/README.md. usage: avro-peers DATA_FOLDER SCHEMA_FILE
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"

	"github.com/hamba/avro/v2"

	"millrace/bench/avro-peers/navigation"
)

const (
	frameBytes = 5
	row        = "hamba/avro, struct reused"
)

func fnv1a(data []byte) uint64 {
	hash := uint64(0xcbf29ce484222325)
	for _, b := range data {
		hash = (hash ^ uint64(b)) * 0x100000001b3
	}
	return hash
}

type sum uint64

func (s *sum) bytes(name string, value []byte) {
	*s += sum(fnv1a(value) * (fnv1a([]byte(name)) | 1))
}
func (s *sum) text(name, value string) { s.bytes(name, []byte(value)) }
func (s *sum) integer(name string, value int64) {
	s.bytes(name, binary.LittleEndian.AppendUint64(nil, uint64(value)))
}
func (s *sum) real(name string, value float64) {
	s.bytes(name, binary.LittleEndian.AppendUint64(nil, math.Float64bits(value)))
}
func (s *sum) optional(name string, value *string) {
	if value != nil {
		s.text(name, *value)
	}
}
func (s *sum) list(name string, values []string) {
	for _, value := range values {
		s.text(name, value)
	}
}
func (s *sum) any(name string, value any) {
	switch v := value.(type) {
	case nil:
	case bool:
		if v {
			s.integer(name, 1)
		} else {
			s.integer(name, 0)
		}
	case int:
		s.integer(name, int64(v))
	case int32:
		s.integer(name, int64(v))
	case int64:
		s.integer(name, v)
	case float64:
		s.real(name, v)
	case string:
		s.text(name, v)
	case []string:
		s.list(name, v)
	default:
		panic(fmt.Sprintf("the reference schema has no %T", value))
	}
}
func (s *sum) anyMap(name string, entries map[string]any) {
	for key, value := range entries {
		s.text(name, key)
		s.any(key, value)
	}
}
func (s *sum) textMap(name string, entries map[string]string) {
	for key, value := range entries {
		s.text(name, key)
		s.text(key, value)
	}
}
func (s *sum) page(page *navigation.Page) {
	s.text("url", page.URL)
	s.optional("title", page.Title)
	s.optional("referrer", page.Referrer)
	s.textMap("query", page.Query)
}
func (s *sum) size(size *navigation.Size) {
	if size != nil {
		s.integer("width", int64(size.Width))
		s.integer("height", int64(size.Height))
	}
}
func (s *sum) navigation(nav *navigation.Navigation) {
	s.text("event_id", nav.EventID)
	s.integer("event_time", nav.EventTime.UnixMilli())
	s.integer("received_time", nav.ReceivedTime.UnixMicro())
	s.integer("partner_id", int64(nav.PartnerID))
	s.text("visitor_id", nav.VisitorID)
	s.text("kind", nav.Kind)
	s.page(&nav.Page)
	s.text("user_agent", nav.Device.UserAgent)
	s.bytes("ip", nav.Device.IP[:])
	s.size(nav.Device.Screen)
	s.size(nav.Device.Viewport)
	s.list("languages", nav.Device.Languages)
	if nav.Geo != nil {
		s.text("country", nav.Geo.Country)
		s.optional("city", nav.Geo.City)
		s.real("lat", nav.Geo.Lat)
		s.real("lon", nav.Geo.Lon)
		if nav.Geo.Accuracy != nil {
			s.real("accuracy", float64(*nav.Geo.Accuracy))
		}
	}
	s.textMap("consents", nav.Consents)
	for i := range nav.Products {
		product := &nav.Products[i]
		s.text("sku", product.SKU)
		s.optional("name", product.Name)
		cents := new(big.Rat).Mul(product.Price, big.NewRat(100, 1))
		s.integer("price", cents.Num().Int64())
		s.integer("quantity", int64(product.Quantity))
		s.list("categories", product.Categories)
		s.anyMap("attributes", product.Attributes)
	}
	if nav.Campaign != nil {
		s.text("source", nav.Campaign.Source)
		s.optional("medium", nav.Campaign.Medium)
		s.optional("name", nav.Campaign.Name)
		if nav.Campaign.Landing != nil {
			s.page(nav.Campaign.Landing)
		}
	}
	s.anyMap("custom", nav.Custom)
	s.text("id", nav.Session.ID)
	s.integer("sequence", int64(nav.Session.Sequence))
	s.any("is_new", nav.Session.IsNew)
	s.integer("started", nav.Session.Started.UnixMilli())
	s.list("tags", nav.Tags)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func load(file string) (datums [][]byte) {
	raw, err := os.ReadFile(file)
	check(err)
	for len(raw) > 0 {
		size := binary.LittleEndian.Uint32(raw)
		datums = append(datums, raw[4+frameBytes:4+size])
		raw = raw[4+size:]
	}
	return datums
}

func main() {
	datums := load(os.Args[1] + "/navigation.bin")
	text, err := os.ReadFile(os.Args[2])
	check(err)
	schema, err := avro.Parse(string(text))
	check(err)
	avro.Register("array:string", []string{}) // the union's array becomes this instead of a map of one entry
	var nav navigation.Navigation
	pass := func(total *sum) {
		for _, datum := range datums {
			nav.Reset()
			check(avro.Unmarshal(schema, datum, &nav))
			if total != nil {
				total.navigation(&nav)
			}
		}
	}
	fmt.Println(row)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if what, _, _ := strings.Cut(lines.Text(), "\t"); what == "sum" {
			var total sum
			pass(&total)
			fmt.Printf("%016x\n", uint64(total))
		} else {
			pass(nil)
			fmt.Println("done")
		}
	}
}
