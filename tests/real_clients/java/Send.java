// Sends a file with JavaMail, in chunks: Send HOST PORT OCTETS FILE SENDER RECIPIENT
import com.sun.mail.smtp.SMTPTransport;
import jakarta.mail.Address;
import jakarta.mail.Session;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.FileInputStream;
import java.util.Properties;

public class Send {
    public static void main(String[] given) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.chunksize", given[2]);
        properties.put("mail.smtp.localhost", "java.example");
        properties.put("mail.smtp.from", given[4]);
        Session session = Session.getInstance(properties);
        MimeMessage message = new MimeMessage(session, new FileInputStream(given[3]));
        SMTPTransport transport = (SMTPTransport) session.getTransport("smtp");
        transport.connect(given[0], Integer.parseInt(given[1]), null, null);
        transport.sendMessage(message, new Address[] {new InternetAddress(given[5])});
        System.out.print(transport.getLastServerResponse());
        transport.close();
    }
}
