package main

import (
	"encoding/json"
	"net/http"
)

// item is one thing that the shop sells.
type item struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Price int    `json:"price"` // in cents
}

// newCatalog answers with the list of goods. The list is made per request, as
// a real catalog would; it is short, so the cost is small and even.
func newCatalog() http.Handler {
	goods := []item{
		{"apple", "Apple", 40}, {"bread", "Bread", 320}, {"butter", "Butter", 280}, {"cheese", "Cheese", 540},
		{"coffee", "Coffee", 890}, {"honey", "Honey", 650}, {"milk", "Milk", 130}, {"tea", "Tea", 420},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := json.Marshal(map[string]any{"items": goods})
		if err != nil {
			fail(w, http.StatusInternalServerError, "write the catalog: %v", err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n'))
	})
}
