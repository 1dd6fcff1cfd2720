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
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.Ref;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.RowId;
import java.sql.SQLException;
import java.sql.SQLType;
import java.sql.SQLXML;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.Calendar;

import org.jspecify.annotations.Nullable;

/**
 * A prepared statement that its {@link LeasedConnection} may refuse to run.
 *
 * @param <S> the kind of statement
 */
@SuppressWarnings("deprecation") // what JDBC deprecates still has to be there
class LeasedPreparedStatement<S extends PreparedStatement> extends LeasedStatement<S> implements PreparedStatement {

	LeasedPreparedStatement(LeasedConnection connection, S delegate) {
		super(connection, delegate);
	}

	@Override
	public @Nullable ResultSet executeQuery() throws SQLException {
		checkPrepared();
		try {
			return wrap(delegate().executeQuery());
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public int executeUpdate() throws SQLException {
		checkPrepared();
		try {
			return delegate().executeUpdate();
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public void setNull(int index, int sqlType) throws SQLException {
		check();
		delegate().setNull(index, sqlType);
	}

	@Override
	public void setBoolean(int index, boolean value) throws SQLException {
		check();
		delegate().setBoolean(index, value);
	}

	@Override
	public void setByte(int index, byte value) throws SQLException {
		check();
		delegate().setByte(index, value);
	}

	@Override
	public void setShort(int index, short value) throws SQLException {
		check();
		delegate().setShort(index, value);
	}

	@Override
	public void setInt(int index, int value) throws SQLException {
		check();
		delegate().setInt(index, value);
	}

	@Override
	public void setLong(int index, long value) throws SQLException {
		check();
		delegate().setLong(index, value);
	}

	@Override
	public void setFloat(int index, float value) throws SQLException {
		check();
		delegate().setFloat(index, value);
	}

	@Override
	public void setDouble(int index, double value) throws SQLException {
		check();
		delegate().setDouble(index, value);
	}

	@Override
	public void setBigDecimal(int index, BigDecimal value) throws SQLException {
		check();
		delegate().setBigDecimal(index, value);
	}

	@Override
	public void setString(int index, String value) throws SQLException {
		check();
		delegate().setString(index, value);
	}

	@Override
	public void setBytes(int index, byte[] value) throws SQLException {
		check();
		delegate().setBytes(index, value);
	}

	@Override
	public void setDate(int index, Date value) throws SQLException {
		check();
		delegate().setDate(index, value);
	}

	@Override
	public void setTime(int index, Time value) throws SQLException {
		check();
		delegate().setTime(index, value);
	}

	@Override
	public void setTimestamp(int index, Timestamp value) throws SQLException {
		check();
		delegate().setTimestamp(index, value);
	}

	@Override
	public void setAsciiStream(int index, InputStream stream, int length) throws SQLException {
		check();
		delegate().setAsciiStream(index, stream, length);
	}

	@Deprecated
	@Override
	public void setUnicodeStream(int index, InputStream stream, int length) throws SQLException {
		check();
		delegate().setUnicodeStream(index, stream, length);
	}

	@Override
	public void setBinaryStream(int index, InputStream stream, int length) throws SQLException {
		check();
		delegate().setBinaryStream(index, stream, length);
	}

	@Override
	public void clearParameters() throws SQLException {
		check();
		delegate().clearParameters();
	}

	@Override
	public void setObject(int index, Object value, int targetSqlType) throws SQLException {
		check();
		delegate().setObject(index, value, targetSqlType);
	}

	@Override
	public void setObject(int index, Object value) throws SQLException {
		check();
		delegate().setObject(index, value);
	}

	@Override
	public boolean execute() throws SQLException {
		checkPrepared();
		try {
			return delegate().execute();
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

	@Override
	public void addBatch() throws SQLException {
		check();
		delegate().addBatch();
	}

	@Override
	public void setCharacterStream(int index, Reader reader, int length) throws SQLException {
		check();
		delegate().setCharacterStream(index, reader, length);
	}

	@Override
	public void setRef(int index, Ref value) throws SQLException {
		check();
		delegate().setRef(index, value);
	}

	@Override
	public void setBlob(int index, Blob value) throws SQLException {
		check();
		delegate().setBlob(index, value);
	}

	@Override
	public void setClob(int index, Clob value) throws SQLException {
		check();
		delegate().setClob(index, value);
	}

	@Override
	public void setArray(int index, Array value) throws SQLException {
		check();
		delegate().setArray(index, value);
	}

	@Override
	public ResultSetMetaData getMetaData() throws SQLException {
		check();
		return delegate().getMetaData();
	}

	@Override
	public void setDate(int index, Date value, Calendar calendar) throws SQLException {
		check();
		delegate().setDate(index, value, calendar);
	}

	@Override
	public void setTime(int index, Time value, Calendar calendar) throws SQLException {
		check();
		delegate().setTime(index, value, calendar);
	}

	@Override
	public void setTimestamp(int index, Timestamp value, Calendar calendar) throws SQLException {
		check();
		delegate().setTimestamp(index, value, calendar);
	}

	@Override
	public void setNull(int index, int sqlType, String typeName) throws SQLException {
		check();
		delegate().setNull(index, sqlType, typeName);
	}

	@Override
	public void setURL(int index, URL value) throws SQLException {
		check();
		delegate().setURL(index, value);
	}

	@Override
	public ParameterMetaData getParameterMetaData() throws SQLException {
		check();
		return delegate().getParameterMetaData();
	}

	@Override
	public void setRowId(int index, RowId value) throws SQLException {
		check();
		delegate().setRowId(index, value);
	}

	@Override
	public void setNString(int index, String value) throws SQLException {
		check();
		delegate().setNString(index, value);
	}

	@Override
	public void setNCharacterStream(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().setNCharacterStream(index, reader, length);
	}

	@Override
	public void setNClob(int index, NClob value) throws SQLException {
		check();
		delegate().setNClob(index, value);
	}

	@Override
	public void setClob(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().setClob(index, reader, length);
	}

	@Override
	public void setBlob(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().setBlob(index, stream, length);
	}

	@Override
	public void setNClob(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().setNClob(index, reader, length);
	}

	@Override
	public void setSQLXML(int index, SQLXML value) throws SQLException {
		check();
		delegate().setSQLXML(index, value);
	}

	@Override
	public void setObject(int index, Object value, int targetSqlType, int scale) throws SQLException {
		check();
		delegate().setObject(index, value, targetSqlType, scale);
	}

	@Override
	public void setAsciiStream(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().setAsciiStream(index, stream, length);
	}

	@Override
	public void setBinaryStream(int index, InputStream stream, long length) throws SQLException {
		check();
		delegate().setBinaryStream(index, stream, length);
	}

	@Override
	public void setCharacterStream(int index, Reader reader, long length) throws SQLException {
		check();
		delegate().setCharacterStream(index, reader, length);
	}

	@Override
	public void setAsciiStream(int index, InputStream stream) throws SQLException {
		check();
		delegate().setAsciiStream(index, stream);
	}

	@Override
	public void setBinaryStream(int index, InputStream stream) throws SQLException {
		check();
		delegate().setBinaryStream(index, stream);
	}

	@Override
	public void setCharacterStream(int index, Reader reader) throws SQLException {
		check();
		delegate().setCharacterStream(index, reader);
	}

	@Override
	public void setNCharacterStream(int index, Reader reader) throws SQLException {
		check();
		delegate().setNCharacterStream(index, reader);
	}

	@Override
	public void setClob(int index, Reader reader) throws SQLException {
		check();
		delegate().setClob(index, reader);
	}

	@Override
	public void setBlob(int index, InputStream stream) throws SQLException {
		check();
		delegate().setBlob(index, stream);
	}

	@Override
	public void setNClob(int index, Reader reader) throws SQLException {
		check();
		delegate().setNClob(index, reader);
	}

	@Override
	public void setObject(int index, Object value, SQLType sqlType, int scale) throws SQLException {
		check();
		delegate().setObject(index, value, sqlType, scale);
	}

	@Override
	public void setObject(int index, Object value, SQLType sqlType) throws SQLException {
		check();
		delegate().setObject(index, value, sqlType);
	}

	@Override
	public long executeLargeUpdate() throws SQLException {
		checkPrepared();
		try {
			return delegate().executeLargeUpdate();
		}
		catch (SQLException ex) {
			throw explain(ex);
		}
	}

}
