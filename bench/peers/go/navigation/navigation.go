// Package navigation has the reference schema as structs for hamba/avro.
package navigation

import (
	"math/big"
	"time"
)

type Size struct {
	Width  int32 `avro:"width"`
	Height int32 `avro:"height"`
}

type Page struct {
	URL      string            `avro:"url"`
	Title    *string           `avro:"title"`
	Referrer *string           `avro:"referrer"`
	Query    map[string]string `avro:"query"`
}

type Device struct {
	UserAgent string   `avro:"user_agent"`
	IP        [16]byte `avro:"ip"`
	Screen    *Size    `avro:"screen"`
	Viewport  *Size    `avro:"viewport"`
	Languages []string `avro:"languages"`
}

type Geo struct {
	Country  string   `avro:"country"`
	City     *string  `avro:"city"`
	Lat      float64  `avro:"lat"`
	Lon      float64  `avro:"lon"`
	Accuracy *float32 `avro:"accuracy"`
}

type Product struct {
	SKU        string         `avro:"sku"`
	Name       *string        `avro:"name"`
	Price      *big.Rat       `avro:"price"`
	Quantity   int32          `avro:"quantity"`
	Categories []string       `avro:"categories"`
	Attributes map[string]any `avro:"attributes"`
}

type Campaign struct {
	Source  string  `avro:"source"`
	Medium  *string `avro:"medium"`
	Name    *string `avro:"name"`
	Landing *Page   `avro:"landing"`
}

type SessionInfo struct {
	ID       string    `avro:"id"`
	Sequence int32     `avro:"sequence"`
	IsNew    bool      `avro:"is_new"`
	Started  time.Time `avro:"started"`
}

type Navigation struct {
	EventID      string            `avro:"event_id"`
	EventTime    time.Time         `avro:"event_time"`
	ReceivedTime time.Time         `avro:"received_time"`
	PartnerID    int32             `avro:"partner_id"`
	VisitorID    string            `avro:"visitor_id"`
	Kind         string            `avro:"kind"`
	Page         Page              `avro:"page"`
	Device       Device            `avro:"device"`
	Geo          *Geo              `avro:"geo"`
	Consents     map[string]string `avro:"consents"`
	Products     []Product         `avro:"products"`
	Campaign     *Campaign         `avro:"campaign"`
	Custom       map[string]any    `avro:"custom"`
	Session      SessionInfo       `avro:"session"`
	Tags         []string          `avro:"tags"`
}

// Empties maps and slices, for the next record: the library keeps what it does not overwrite.
func (nav *Navigation) Reset() {
	clear(nav.Page.Query)
	clear(nav.Consents)
	clear(nav.Custom)
	products := nav.Products[:cap(nav.Products)]
	for i := range products {
		products[i].Categories = products[i].Categories[:0]
		clear(products[i].Attributes)
	}
	nav.Products = nav.Products[:0]
	nav.Device.Languages = nav.Device.Languages[:0]
	nav.Tags = nav.Tags[:0]
	if nav.Campaign != nil && nav.Campaign.Landing != nil {
		clear(nav.Campaign.Landing.Query)
	}
}
