package io.multidb.source;

import java.io.InputStream;
import java.io.Reader;
import java.math.BigDecimal;
import java.net.URL;
import java.sql.Array;
import java.sql.Blob;
import java.sql.Clob;
import java.sql.Date;
import java.sql.NClob;
import java.sql.Ref;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.RowId;
import java.sql.SQLException;
import java.sql.SQLType;
import java.sql.SQLWarning;
import java.sql.SQLXML;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.Calendar;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * Rows that their {@link LeasedConnection} may refuse to give, as they may still be on
 * the server. Closing always passes.
 */
@SuppressWarnings("deprecation") // what JDBC deprecates still has to be there
final class LeasedResultSet implements ResultSet {

	private final LeasedConnection connection;

	private final @Nullable Statement statement;

	private final ResultSet delegate;

	LeasedResultSet(LeasedConnection connection, @Nullable Statement statement, ResultSet delegate) {
		this.connection = connection;
		this.statement = statement;
		this.delegate = delegate;
	}

	private ResultSet delegate() {
		return this.delegate;
	}

	private void check() throws SQLException {
		this.connection.check();
	}

	/** A value may be a cursor, which may still be on the server. */
	static @Nullable Object wrapCursor(LeasedConnection connection, @Nullable Object value) {
		return (value instanceof ResultSet rows) ? new LeasedResultSet(connection, null, rows) : value;
	}

	static <T> T wrap(LeasedConnection connection, T value, Class<T> type) {
		return (value instanceof ResultSet rows && type.equals(ResultSet.class))
				? type.cast(new LeasedResultSet(connection, null, rows)) : value;
	}

	private @Nullable Object wrapCursor(@Nullable Object value) {
		return wrapCursor(this.connection, value);
	}

	private <T> T wrap(T value, Class<T> type) {
		return wrap(this.connection, value, type);
	}

	@Override
	public @Nullable Statement getStatement() throws SQLException {
		return this.statement;
	}

	@Override
	public <T> T unwrap(Class<T> type) throws SQLException {
		if (type.isInstance(this)) {
			return type.cast(this);
		}
		this.connection.expose();
		return delegate().unwrap(type);
	}

	@Override
	public boolean isWrapperFor(Class<?> type) throws SQLException {
		return type.isInstance(this) || delegate().isWrapperFor(type);
	}

	@Override
	public String toString() {
		return "leased " + delegate();
	}

	@Override
	public boolean next() throws SQLException {
		check();
		return delegate().next();
	}

	@Override
	public void close() throws SQLException {
		delegate().close();
	}

	@Override
	public boolean wasNull() throws SQLException {
		check();
		return delegate().wasNull();
	}

	@Override
	public String getString(int index) throws SQLException {
		check();
		return delegate().getString(index);
	}

	@Override
	public boolean getBoolean(int index) throws SQLException {
		check();
		return delegate().getBoolean(index);
	}

	@Override
	public byte getByte(int index) throws SQLException {
		check();
		return delegate().getByte(index);
	}

	@Override
	public short getShort(int index) throws SQLException {
		check();
		return delegate().getShort(index);
	}

	@Override
	public int getInt(int index) throws SQLException {
		check();
		return delegate().getInt(index);
	}

	@Override
	public long getLong(int index) throws SQLException {
		check();
		return delegate().getLong(index);
	}

	@Override
	public float getFloat(int index) throws SQLException {
		check();
		return delegate().getFloat(index);
	}

	@Override
	public double getDouble(int index) throws SQLException {
		check();
		return delegate().getDouble(index);
	}

	@Deprecated
	@Override
	public BigDecimal getBigDecimal(int index, int scale) throws SQLException {
		check();
		return delegate().getBigDecimal(index, scale);
	}

	@Override
	public byte[] getBytes(int index) throws SQLException {
		check();
		return delegate().getBytes(index);
	}

	@Override
	public Date getDate(int index) throws SQLException {
		check();
		return delegate().getDate(index);
	}

	@Override
	public Time getTime(int index) throws SQLException {
		check();
		return delegate().getTime(index);
	}

	@Override
	public Timestamp getTimestamp(int index) throws SQLException {
		check();
		return delegate().getTimestamp(index);
	}

	@Override
	public InputStream getAsciiStream(int index) throws SQLException {
		check();
		return delegate().getAsciiStream(index);
	}

	@Deprecated
	@Override
	public InputStream getUnicodeStream(int index) throws SQLException {
		check();
		return delegate().getUnicodeStream(index);
	}

	@Override
	public InputStream getBinaryStream(int index) throws SQLException {
		check();
		return delegate().getBinaryStream(index);
	}

	@Override
	public String getString(String name) throws SQLException {
		check();
		return delegate().getString(name);
	}

	@Override
	public boolean getBoolean(String name) throws SQLException {
		check();
		return delegate().getBoolean(name);
	}

	@Override
	public byte getByte(String name) throws SQLException {
		check();
		return delegate().getByte(name);
	}

	@Override
	public short getShort(String name) throws SQLException {
		check();
		return delegate().getShort(name);
	}

	@Override
	public int getInt(String name) throws SQLException {
		check();
		return delegate().getInt(name);
	}

	@Override
	public long getLong(String name) throws SQLException {
		check();
		return delegate().getLong(name);
	}

	@Override
	public float getFloat(String name) throws SQLException {
		check();
		return delegate().getFloat(name);
	}

	@Override
	public double getDouble(String name) throws SQLException {
		check();
		return delegate().getDouble(name);
	}

	@Deprecated
	@Override
	public BigDecimal getBigDecimal(String name, int scale) throws SQLException {
		check();
		return delegate().getBigDecimal(name, scale);
	}

	@Override
	public byte[] getBytes(String name) throws SQLException {
		check();
		return delegate().getBytes(name);
	}

	@Override
	public Date getDate(String name) throws SQLException {
		check();
		return delegate().getDate(name);
	}

	@Override
	public Time getTime(String name) throws SQLException {
		check();
		return delegate().getTime(name);
	}

	@Override
	public Timestamp getTimestamp(String name) throws SQLException {
		check();
		return delegate().getTimestamp(name);
	}

	@Override
	public InputStream getAsciiStream(String name) throws SQLException {
		check();
		return delegate().getAsciiStream(name);
	}

	@Deprecated
	@Override
	public InputStream getUnicodeStream(String name) throws SQLException {
		check();
		return delegate().getUnicodeStream(name);
	}

	@Override
	public InputStream getBinaryStream(String name) throws SQLException {
		check();
		return delegate().getBinaryStream(name);
	}

	@Override
	public SQLWarning getWarnings() throws SQLException {
		return delegate().getWarnings();
	}

	@Override
	public void clearWarnings() throws SQLException {
		delegate().clearWarnings();
	}

	@Override
	public String getCursorName() throws SQLException {
		check();
		return delegate().getCursorName();
	}

	@Override
	public ResultSetMetaData getMetaData() throws SQLException {
		check();
		return delegate().getMetaData();
	}

	@Override
	public @Nullable Object getObject(int index) throws SQLException {
		check();
		return wrapCursor(delegate().getObject(index));
	}

	@Override
	public @Nullable Object getObject(String name) throws SQLException {
		check();
		return wrapCursor(delegate().getObject(name));
	}

	@Override
	public int findColumn(String name) throws SQLException {
		check();
		return delegate().findColumn(name);
	}

	@Override
	public Reader getCharacterStream(int index) throws SQLException {
		check();
		return delegate().getCharacterStream(index);
	}

	@Override
	public Reader getCharacterStream(String name) throws SQLException {
		check();
		return delegate().getCharacterStream(name);
	}

	@Override
	public BigDecimal getBigDecimal(int index) throws SQLException {
		check();
		return delegate().getBigDecimal(index);
	}

	@Override
	public BigDecimal getBigDecimal(String name) throws SQLException {
		check();
		return delegate().getBigDecimal(name);
	}

	@Override
	public boolean isBeforeFirst() throws SQLException {
		check();
		return delegate().isBeforeFirst();
	}

	@Override
	public boolean isAfterLast() throws SQLException {
		check();
		return delegate().isAfterLast();
	}

	@Override
	public boolean isFirst() throws SQLException {
		check();
		return delegate().isFirst();
	}

	@Override
	public boolean isLast() throws SQLException {
		check();
		return delegate().isLast();
	}

	@Override
	public void beforeFirst() throws SQLException {
		check();
		delegate().beforeFirst();
	}

	@Override
	public void afterLast() throws SQLException {
		check();
		delegate().afterLast();
	}

	@Override
	public boolean first() throws SQLException {
		check();
		return delegate().first();
	}

	@Override
	public boolean last() throws SQLException {
		check();
		return delegate().last();
	}

	@Override
	public int getRow() throws SQLException {
		check();
		return delegate().getRow();
	}

	@Override
	public boolean absolute(int index) throws SQLException {
		check();
		return delegate().absolute(index);
	}

	@Override
	public boolean relative(int index) throws SQLException {
		check();
		return delegate().relative(index);
	}

	@Override
	public boolean previous() throws SQLException {
		check();
		return delegate().previous();
	}

	@Override
	public void setFetchDirection(int index) throws SQLException {
		check();
		delegate().setFetchDirection(index);
	}

	@Override
	public int getFetchDirection() throws SQLException {
		check();
		return delegate().getFetchDirection();
	}

	@Override
	public void setFetchSize(int index) throws SQLException {
		check();
		delegate().setFetchSize(index);
	}

	@Override
	public int getFetchSize() throws SQLException {
		check();
		return delegate().getFetchSize();
	}

	@Override
	public int getType() throws SQLException {
		check();
		return delegate().getType();
	}

	@Override
	public int getConcurrency() throws SQLException {
		check();
		return delegate().getConcurrency();
	}

	@Override
	public boolean rowUpdated() throws SQLException {
		check();
		return delegate().rowUpdated();
	}

	@Override
	public boolean rowInserted() throws SQLException {
		check();
		return delegate().rowInserted();
	}

	@Override
	public boolean rowDeleted() throws SQLException {
		check();
		return delegate().rowDeleted();
	}

	@Override
	public void updateNull(int index) throws SQLException {
		check();
		delegate().updateNull(index);
	}

	@Override
	public void updateBoolean(int index, boolean value) throws SQLException {
		check();
		delegate().updateBoolean(index, value);
	}

	@Override
	public void updateByte(int index, byte value) throws SQLException {
		check();
		delegate().updateByte(index, value);
	}

	@Override
	public void updateShort(int index, short value) throws SQLException {
		check();
		delegate().updateShort(index, value);
	}

	@Override
	public void updateInt(int index, int value) throws SQLException {
		check();
		delegate().updateInt(index, value);
	}

	@Override
	public void updateLong(int index, long value) throws SQLException {
		check();
		delegate().updateLong(index, value);
	}

	@Override
	public void updateFloat(int index, float value) throws SQLException {
		check();
		delegate().updateFloat(index, value);
	}

	@Override
	public void updateDouble(int index, double value) throws SQLException {
		check();
		delegate().updateDouble(index, value);
	}

	@Override
	public void updateBigDecimal(int index, BigDecimal value) throws SQLException {
		check();
		delegate().updateBigDecimal(index, value);
	}

	@Override
	public void updateString(int index, String value) throws SQLException {
		check();
		delegate().updateString(index, value);
	}

	@Override
	public void updateBytes(int index, byte[] value) throws SQLException {
		check();
		delegate().updateBytes(index, value);
	}

	@Override
	public void updateDate(int index, Date value) throws SQLException {
		check();
		delegate().updateDate(index, value);
	}

	@Override
	public void updateTime(int index, Time value) throws SQLException {
		check();
		delegate().updateTime(index, value);
	}

	@Override
	public void updateTimestamp(int index, Timestamp value) throws SQLException {
		check();
		delegate().updateTimestamp(index, value);
	}

	@Override
	public void updateAsciiStream(int index, InputStream stream, int length) throws SQLException {
		check();
		delegate().updateAsciiStream(index, stream, length);
	}

	@Override
	public void updateBinaryStream(int index, InputStream stream, int length) throws SQLException {
		check();
		delegate().updateBinaryStream(index, stream, length);
	}

	@Override
	public void updateCharacterStream(int index, Reader reader, int length) throws SQLException {
		check();
		delegate().updateCharacterStream(index, reader, length);
	}

	@Override
	public void updateObject(int index, Object value, int scale) throws SQLException {
		check();
		delegate().updateObject(index, value, scale);
	}

	@Override
	public void updateObject(int index, Object value) throws SQLException {
		check();
		delegate().updateObject(index, value);
	}

	@Override
	public void updateNull(String name) throws SQLException {
		check();
		delegate().updateNull(name);
	}

	@Override
	public void updateBoolean(String name, boolean value) throws SQLException {
		check();
		delegate().updateBoolean(name, value);
	}

	@Override
	public void updateByte(String name, byte value) throws SQLException {
		check();
		delegate().updateByte(name, value);
	}

	@Override
	public void updateShort(String name, short value) throws SQLException {
		check();
		delegate().updateShort(name, value);
	}

	@Override
	public void updateInt(String name, int value) throws SQLException {
		check();
		delegate().updateInt(name, value);
	}

	@Override
	public void updateLong(String name, long value) throws SQLException {
		check();
		delegate().updateLong(name, value);
	}

	@Override
	public void updateFloat(String name, float value) throws SQLException {
		check();
		delegate().updateFloat(name, value);
	}

	@Override
	public void updateDouble(String name, double value) throws SQLException {
		check();
		delegate().updateDouble(name, value);
	}

	@Override
	public void updateBigDecimal(String name, BigDecimal value) throws SQLException {
		check();
		delegate().updateBigDecimal(name, value);
	}

	@Override
	public void updateString(String name, String value) throws SQLException {
		check();
		delegate().updateString(name, value);
	}

	@Override
	public void updateBytes(String name, byte[] value) throws SQLException {
		check();
		delegate().updateBytes(name, value);
	}

	@Override
	public void updateDate(String name, Date value) throws SQLException {
		check();
		delegate().updateDate(name, value);
	}

	@Override
	public void updateTime(String name, Time value) throws SQLException {
		check();
		delegate().updateTime(name, value);
	}

	@Override
	public void updateTimestamp(String name, Timestamp value) throws SQLException {
		check();
		delegate().updateTimestamp(name, value);
	}

	@Override
	public void updateAsciiStream(String name, InputStream stream, int length) throws SQLException {
		check();
		delegate().updateAsciiStream(name, stream, length);
	}

	@Override
	public void updateBinaryStream(String name, InputStream stream, int length) throws SQLException {
		check();
		delegate().updateBinaryStream(name, stream, length);
	}

	@Override
	public void updateCharacterStream(String name, Reader reader, int length) throws SQLException {
		check();
		delegate().updateCharacterStream(name, reader, length);
	}

	@Override
	public void updateObject(String name, Object value, int scale) throws SQLException {
		check();
		delegate().updateObject(name, value, scale);
	}

	@Override
	public void updateObject(String name, Object value) throws SQLException {
		check();
		delegate().updateObject(name, value);
	}

	@Override
	public void insertRow() throws SQLException {
		check();
		delegate().insertRow();
	}

	@Override
	public void updateRow() throws SQLException {
		check();
		delegate().updateRow();
	}

	@Override
	public void deleteRow() throws SQLException {
		check();
		delegate().deleteRow();
	}

	@Override
	public void refreshRow() throws SQLException {
		check();
		delegate().refreshRow();
	}

	@Override
	public void cancelRowUpdates() throws SQLException {
		check();
		delegate().cancelRowUpdates();
	}

	@Override
	public void moveToInsertRow() throws SQLException {
		check();
		delegate().moveToInsertRow();
	}

	@Override
	public void moveToCurrentRow() throws SQLException {
		check();
		delegate().moveToCurrentRow();
	}

	@Override
	public @Nullable Object getObject(int index, Map<String, Class<?>> map) throws SQLException {
		check();
		return wrapCursor(delegate().getObject(index, map));
	}

	@Override
	public Ref getRef(int index) throws SQLException {
		check();
		return delegate().getRef(index);
	}

	@Override
	public Blob getBlob(int index) throws SQLException {
		check();
		return delegate().getBlob(index);
	}

	@Override
	public Clob getClob(int index) throws SQLException {
		check();
		return delegate().getClob(index);
	}

	@Override
	public Array getArray(int index) throws SQLException {
		check();
		return delegate().getArray(index);
	}

	@Override
	public @Nullable Object getObject(String name, Map<String, Class<?>> map) throws SQLException {
		check();
		return wrapCursor(delegate().getObject(name, map));
	}

	@Override
	public Ref getRef(String name) throws SQLException {
		check();
		return delegate().getRef(name);
	}

	@Override
	public Blob getBlob(String name) throws SQLException {
		check();
		return delegate().getBlob(name);
	}

	@Override
	public Clob getClob(String name) throws SQLException {
		check();
		return delegate().getClob(name);
	}

	@Override
	public Array getArray(String name) throws SQLException {
		check();
		return delegate().getArray(name);
	}

	@Override
	public Date getDate(int index, Calendar calendar) throws SQLException {
		check();
		return delegate().getDate(index, calendar);
	}

	@Override
	public Date getDate(String name, Calendar calendar) throws SQLException {
		check();
		return delegate().getDate(name, calendar);
	}

	@Override
	public Time getTime(int index, Calendar calendar) throws SQLException {
		check();
		return delegate().getTime(index, calendar);
	}

	@Override
	public Time getTime(String name, Calendar calendar) throws SQLException {
		check();
		return delegate().getTime(name, calendar);
	}

	@Override
	public Timestamp getTimestamp(int index, Calendar calendar) throws SQLException {
		check();
		return delegate().getTimestamp(index, calendar);
	}

	@Override
	public Timestamp getTimestamp(String name, Calendar calendar) throws SQLException {
		check();
		return delegate().getTimestamp(name, calendar);
	}

	@Override
	public URL getURL(int index) throws SQLException {
		check();
		return delegate().getURL(index);
	}

	@Override
	public URL getURL(String name) throws SQLException {
		check();
		return delegate().getURL(name);
	}

	@Override
	public void updateRef(int index, Ref value) throws SQLException {
		check();
		delegate().updateRef(index, value);
	}

	@Override
	public void updateRef(String name, Ref value) throws SQLException {
		check();
		delegate().updateRef(name, value);
	}

	@Override
	public void updateBlob(int index, Blob value) throws SQLException {
		check();
		delegate().updateBlob(index, value);
	}

	@Override
	public void updateBlob(String name, Blob value) throws SQLException {
		check();
		delegate().updateBlob(name, value);
	}

	@Override
	public void updateClob(int index, Clob value) throws SQLException {
		check();
		delegate().updateClob(index, value);
	}

	@Override
	public void updateClob(String name, Clob value) throws SQLException {
		check();
		delegate().updateClob(name, value);
	}

	@Override
	public void updateArray(int index, Array value) throws SQLException {
		check();
		delegate().updateArray(index, value);
	}

	@Override
	public void updateArray(String name, Array value) throws SQLException {
		check();
		delegate().updateArray(name, value);
	}

	@Override
	public RowId getRowId(int index) throws SQLException {
		check();
		return delegate().getRowId(index);
	}

	@Override
	public RowId getRowId(String name) throws SQLException {
		check();
		return delegate().getRowId(name);
	}

	@Override
	public void updateRowId(int index, RowId value) throws SQLException {
		check();
		delegate().updateRowId(index, value);
	}

	@Override
	public void updateRowId(String name, RowId value) throws SQLException {
		check();
		delegate().updateRowId(name, value);
	}

	@Override
	public int getHoldability() throws SQLException {
		check();
		return delegate().getHoldability();
	}

	@Override
	public boolean isClosed() throws SQLException {
		return delegate().isClosed();
	}

	@Override
	public void updateNString(int index, String value) throws SQLException {
		check();
		delegate().updateNString(index, value);
	}

	@Override
	public void updateNString(String name, String value) throws SQLException {
		check();
		delegate().updateNString(name, value);
	}

	@Override
	public void updateNClob(int index, NClob value) throws SQLException {
		check();
		delegate().updateNClob(index, value);
	}

	@Override
	public void updateNClob(String name, NClob value) throws SQLException {
		check();
		delegate().updateNClob(name, value);
	}

	@Override
	public NClob getNClob(int index) throws SQLException {
		check();
		return delegate().getNClob(index);
	}

	@Override
	public NClob getNClob(String name) throws SQLException {
		check();
		return delegate().getNClob(name);
	}

	@Override
	public SQLXML getSQLXML(int index) throws SQLException {
		check();
		return delegate().getSQLXML(index);
	}

	@Override
	public SQLXML getSQLXML(String name) throws SQLException {
		check();
		return delegate().getSQLXML(name);
	}

	@Override
	public void updateSQLXML(int index, SQLXML value) throws SQLException {
		check();
		delegate().updateSQLXML(index, value);
	}

	@Override
	public void updateSQLXML(String name, SQLXML value) throws SQLException {
		check();
		delegate().updateSQLXML(name, value);
	}

	@Override
	public String getNString(int index) throws SQLException {
		check();
		return delegate().getNString(index);
	}

	@Override
	public String getNString(String name) throws SQLException {
		check();
		return delegate().getNString(name);
	}

	@Override
	public Reader getNCharacterStream(int index) throws SQLException {
		check();
		return delegate().getNCharacterStream(index);
	}

	@Override
	public Reader getNCharacterStream(String name) throws SQLException {
		check();
		return delegate().getNCharacterStream(name);
	}

	@Override
	public void updateNCharacterStream(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().updateNCharacterStream(index, reader, length);
	}

	@Override
	public void updateNCharacterStream(String name, Reader reader, long length) throws SQLException {
		check();
		delegate().updateNCharacterStream(name, reader, length);
	}

	@Override
	public void updateAsciiStream(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateAsciiStream(index, stream, length);
	}

	@Override
	public void updateBinaryStream(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateBinaryStream(index, stream, length);
	}

	@Override
	public void updateCharacterStream(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().updateCharacterStream(index, reader, length);
	}

	@Override
	public void updateAsciiStream(String name, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateAsciiStream(name, stream, length);
	}

	@Override
	public void updateBinaryStream(String name, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateBinaryStream(name, stream, length);
	}

	@Override
	public void updateCharacterStream(String name, Reader reader, long length) throws SQLException {
		check();
		delegate().updateCharacterStream(name, reader, length);
	}

	@Override
	public void updateBlob(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateBlob(index, stream, length);
	}

	@Override
	public void updateBlob(String name, InputStream stream, long length) throws SQLException {
		check();
		delegate().updateBlob(name, stream, length);
	}

	@Override
	public void updateClob(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().updateClob(index, reader, length);
	}

	@Override
	public void updateClob(String name, Reader reader, long length) throws SQLException {
		check();
		delegate().updateClob(name, reader, length);
	}

	@Override
	public void updateNClob(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().updateNClob(index, reader, length);
	}

	@Override
	public void updateNClob(String name, Reader reader, long length) throws SQLException {
		check();
		delegate().updateNClob(name, reader, length);
	}

	@Override
	public void updateNCharacterStream(int index, Reader reader) throws SQLException {
		check();
		delegate().updateNCharacterStream(index, reader);
	}

	@Override
	public void updateNCharacterStream(String name, Reader reader) throws SQLException {
		check();
		delegate().updateNCharacterStream(name, reader);
	}

	@Override
	public void updateAsciiStream(int index, InputStream stream) throws SQLException {
		check();
		delegate().updateAsciiStream(index, stream);
	}

	@Override
	public void updateBinaryStream(int index, InputStream stream) throws SQLException {
		check();
		delegate().updateBinaryStream(index, stream);
	}

	@Override
	public void updateCharacterStream(int index, Reader reader) throws SQLException {
		check();
		delegate().updateCharacterStream(index, reader);
	}

	@Override
	public void updateAsciiStream(String name, InputStream stream) throws SQLException {
		check();
		delegate().updateAsciiStream(name, stream);
	}

	@Override
	public void updateBinaryStream(String name, InputStream stream) throws SQLException {
		check();
		delegate().updateBinaryStream(name, stream);
	}

	@Override
	public void updateCharacterStream(String name, Reader reader) throws SQLException {
		check();
		delegate().updateCharacterStream(name, reader);
	}

	@Override
	public void updateBlob(int index, InputStream stream) throws SQLException {
		check();
		delegate().updateBlob(index, stream);
	}

	@Override
	public void updateBlob(String name, InputStream stream) throws SQLException {
		check();
		delegate().updateBlob(name, stream);
	}

	@Override
	public void updateClob(int index, Reader reader) throws SQLException {
		check();
		delegate().updateClob(index, reader);
	}

	@Override
	public void updateClob(String name, Reader reader) throws SQLException {
		check();
		delegate().updateClob(name, reader);
	}

	@Override
	public void updateNClob(int index, Reader reader) throws SQLException {
		check();
		delegate().updateNClob(index, reader);
	}

	@Override
	public void updateNClob(String name, Reader reader) throws SQLException {
		check();
		delegate().updateNClob(name, reader);
	}

	@Override
	public <T> T getObject(int index, Class<T> type) throws SQLException {
		check();
		return wrap(delegate().getObject(index, type), type);
	}

	@Override
	public <T> T getObject(String name, Class<T> type) throws SQLException {
		check();
		return wrap(delegate().getObject(name, type), type);
	}

	@Override
	public void updateObject(int index, Object value, SQLType sqlType, int scale) throws SQLException {
		check();
		delegate().updateObject(index, value, sqlType, scale);
	}

	@Override
	public void updateObject(String name, Object value, SQLType sqlType, int scale) throws SQLException {
		check();
		delegate().updateObject(name, value, sqlType, scale);
	}

	@Override
	public void updateObject(int index, Object value, SQLType sqlType) throws SQLException {
		check();
		delegate().updateObject(index, value, sqlType);
	}

	@Override
	public void updateObject(String name, Object value, SQLType sqlType) throws SQLException {
		check();
		delegate().updateObject(name, value, sqlType);
	}

}
