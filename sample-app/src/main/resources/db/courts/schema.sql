-- What each court keeps, in its own database.
CREATE TABLE opinion (
  id       INTEGER PRIMARY KEY,
  title    TEXT NOT NULL,
  decided  INTEGER NOT NULL, -- the year
  citation TEXT NOT NULL,
  judge    TEXT NOT NULL,
  topic    TEXT NOT NULL,
  text     TEXT NOT NULL
);
CREATE VIRTUAL TABLE opinion_index USING fts5(title, topic, text, content = 'opinion', content_rowid = 'id', tokenize = 'porter');
